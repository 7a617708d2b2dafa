// The proxies that the benchmark compares, each started on one core with the same task: HTTP/1.1 from `listen` to `backend`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

export interface Task {
  /** A folder for the peer's configuration. */
  readonly dir: string;
  readonly listen: { readonly address: string; readonly port: number };
  readonly backend: { readonly address: string; readonly port: number };
  /** PEM files, where the client side is TLS. */
  readonly tls:
    | { readonly cert: string; readonly key: string; readonly certPem: string; readonly keyPem: string }
    | undefined;
}

export type Peer = (task: Task) => readonly string[];

const write = (task: Task, name: string, text: string): string => {
  const path = join(task.dir, name);
  writeFileSync(path, text);
  return path;
};

const weftBin = join(import.meta.dirname, '..', '..', 'bin', 'weft');

/** The resources of a gateway with one route, as a user would write them. */
const weftResources = ({ listen, backend, tls }: Task): object[] => {
  const listener = tls
    ? { name: 'https', port: listen.port, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'bench' }] } }
    : { name: 'http', port: listen.port, protocol: 'HTTP' };
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const gateway = 'gateway.networking.k8s.io/v1';
  return [
    {
      apiVersion: gateway,
      kind: 'GatewayClass',
      metadata: { name: 'weft' },
      spec: { controllerName: 'weft.dev/gateway-controller' },
    },
    {
      apiVersion: gateway,
      kind: 'Gateway',
      metadata: { name: 'bench', namespace: 'default' },
      spec: {
        gatewayClassName: 'weft',
        addresses: [{ type: 'IPAddress', value: listen.address }],
        listeners: [listener],
      },
    },
    {
      apiVersion: gateway,
      kind: 'HTTPRoute',
      metadata: { name: 'bench', namespace: 'default' },
      spec: { parentRefs: [{ name: 'bench' }], rules: [{ backendRefs: [{ name: 'backend', port: 80 }] }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'backend', namespace: 'default' },
      spec: { ports: [{ name: 'http', port: 80, targetPort: backend.port }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'backend', namespace: 'default', labels: { 'kubernetes.io/service-name': 'backend' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: backend.port }],
      endpoints: [{ addresses: [backend.address] }],
    },
    ...(tls
      ? [
          {
            apiVersion: 'v1',
            kind: 'Secret',
            metadata: { name: 'bench', namespace: 'default' },
            type: 'kubernetes.io/tls',
            data: { 'tls.crt': base64(tls.certPem), 'tls.key': base64(tls.keyPem) },
          },
        ]
      : []),
  ];
};

const weft: Peer = (task) => {
  write(
    task,
    'mesh.yaml',
    weftResources(task)
      .map((resource) => stringify(resource))
      .join('---\n'),
  );
  return [weftBin, 'proxy', '--role=gateway', `--resources=${task.dir}`];
};

/** nginx as a server of `location` on an address. */
export const nginx = (task: Task, location: string, upstream = ''): string[] => {
  const { dir, listen, tls } = task;
  const at = `${listen.address}:${listen.port}`;
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  const conf = `worker_processes 1; daemon off; pid ${dir}/pid; error_log /dev/null crit;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; ${scratch.join(' ')} ${upstream}
  server { listen ${at}${tls ? ' ssl' : ''}; ${tls ? `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};` : ''}
    location / { ${location} } } }`;
  return ['nginx', '-c', write(task, 'nginx.conf', conf)];
};

const nginxProxy: Peer = (task) =>
  nginx(
    task,
    'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://backend;',
    `upstream backend { server ${task.backend.address}:${task.backend.port}; keepalive 256; keepalive_requests 100000000; }`,
  );

const socketAddress = ({ address, port }: { address: string; port: number }) => ({
  socket_address: { address, port_value: port },
});
const typed = (name: string, type: string, fields: object) => ({
  name,
  typed_config: { '@type': `type.googleapis.com/envoy.extensions.${type}`, ...fields },
});

/** Envoy with a bare router: the least that it can be asked to do. */
const envoy =
  (path: string): Peer =>
  (task) => {
    const { listen, backend, tls } = task;
    const routes = [{ match: { prefix: '/' }, route: { cluster: 'backend' } }];
    const manager = typed('hcm', 'filters.network.http_connection_manager.v3.HttpConnectionManager', {
      stat_prefix: 'bench',
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
      http_filters: [typed('router', 'filters.http.router.v3.Router', {})],
    });
    const socket = tls && {
      transport_socket: typed('tls', 'transport_sockets.tls.v3.DownstreamTlsContext', {
        common_tls_context: {
          tls_certificates: [{ certificate_chain: { filename: tls.cert }, private_key: { filename: tls.key } }],
        },
      }),
    };
    const config = {
      static_resources: {
        listeners: [
          { name: 'bench', address: socketAddress(listen), filter_chains: [{ filters: [manager], ...socket }] },
        ],
        clusters: [
          {
            name: 'backend',
            load_assignment: {
              cluster_name: 'backend',
              endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(backend) } }] }],
            },
          },
        ],
      },
    };
    const file = write(task, 'envoy.json', JSON.stringify(config));
    return [path, '-c', file, '--concurrency', '1', '-l', 'error', '--disable-hot-restart'];
  };

export const peers = (envoyPath: string): ReadonlyMap<string, Peer> =>
  new Map<string, Peer>([
    ['weft', weft],
    ['envoy', envoy(envoyPath)],
    ['nginx', nginxProxy],
  ]);
