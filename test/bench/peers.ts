// The proxies that are compared, each started with the same task. Weft's own engine and Envoy get the same resources: Envoy
// is configured by Weft's Envoy form of the same snapshot. Used by compare.ts.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificate } from './machine.ts';
import { commandOf, treeOf } from './process-stats.ts';
import { type Place, toYaml } from './resources.ts';

export interface Task {
  /** A folder for the peer's configuration. */
  readonly dir: string;
  readonly listen: Place;
  readonly backend: Place;
  readonly tls: Certificate | undefined;
  readonly resources: readonly object[];
  /** One line per request is written. */
  readonly logs: boolean;
  /** HTTP/2 from the client. */
  readonly http2: boolean;
}

export interface Peer {
  command(task: Task): readonly string[];
  /** The processes whose work counts, of those that were started. */
  measured(pid: number): readonly number[];
}

const ROOT = join(import.meta.dirname, '..', '..');

const write = (task: Task, name: string, text: string): string => {
  const path = join(task.dir, name);
  writeFileSync(path, text);
  return path;
};

const gatewayFlags = (task: Task): string[] => {
  write(task, 'gateway.yaml', toYaml(task.resources));
  const logs = task.logs ? [`--access-log=${join(task.dir, 'access.log')}`] : [];
  return ['proxy', '--role=gateway', `--resources=${task.dir}`, '--quiet', '--admin-port=0', ...logs];
};

const weft: Peer = {
  command: (task) => [join(ROOT, 'bin/weft'), ...gatewayFlags(task)],
  measured: treeOf,
};

/** The same program on the other runtime. */
const weftOnBun = (bun: string): Peer => ({
  command: (task) => [
    bun,
    join(ROOT, existsSync(join(ROOT, 'dist')) ? 'dist/main.js' : 'src/main.ts'),
    ...gatewayFlags(task),
  ],
  measured: treeOf,
});

/** Envoy itself counts, not the Weft process that configures it and takes its events. */
export const envoysOf = (pid: number): number[] =>
  treeOf(pid).filter((each) => commandOf(each).includes('--disable-hot-restart'));

const envoy = (path: string): Peer => ({
  command: (task) => [
    join(ROOT, 'bin/weft'),
    ...gatewayFlags(task).filter((flag) => !flag.startsWith('--admin-port')),
    '--engine=envoy',
    `--envoy=${path}`,
  ],
  measured: envoysOf,
});

export interface NginxServer {
  readonly listen: Place;
  readonly location: string;
  readonly upstream?: string;
  readonly tls?: Certificate | undefined;
  readonly http2?: boolean;
}

export const nginxCommand = (dir: string, { listen, location, upstream = '', tls, http2 }: NginxServer): string[] => {
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  const options = `${tls ? ' ssl' : ''}${http2 ? ' http2' : ''}`;
  const certificate = tls ? `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};` : '';
  const path = join(dir, 'nginx.conf');
  writeFileSync(
    path,
    `worker_processes 1; daemon off; pid ${dir}/pid; error_log /dev/null crit;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; sendfile on; ${scratch.join(' ')} ${upstream}
  server { listen ${listen.address}:${listen.port}${options}; ${certificate}
    location / { ${location} } } }`,
  );
  return ['nginx', '-c', path];
};

const nginx: Peer = {
  command: ({ dir, listen, backend, tls, http2 }) =>
    nginxCommand(dir, {
      listen,
      tls,
      http2,
      location: 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://backend;',
      upstream: `upstream backend { server ${backend.address}:${backend.port}; keepalive 256; keepalive_requests 100000000; }`,
    }),
  measured: treeOf,
};

const socketAddress = ({ address, port }: Place) => ({ socket_address: { address, port_value: port } });
const typed = (name: string, type: string, fields: object) => ({
  name,
  typed_config: { '@type': `type.googleapis.com/envoy.extensions.${type}`, ...fields },
});

/** Envoy with a router alone, by hand: the least that it can be asked to do, and no peer in what is done. */
const bareEnvoy = (path: string): Peer => ({
  command(task) {
    const { listen, backend, tls } = task;
    const manager = typed('hcm', 'filters.network.http_connection_manager.v3.HttpConnectionManager', {
      stat_prefix: 'bench',
      route_config: {
        virtual_hosts: [
          { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'backend' } }] },
        ],
      },
      http_filters: [typed('router', 'filters.http.router.v3.Router', {})],
    });
    const socket = tls && {
      transport_socket: typed('tls', 'transport_sockets.tls.v3.DownstreamTlsContext', {
        common_tls_context: {
          tls_certificates: [{ certificate_chain: { filename: tls.cert }, private_key: { filename: tls.key } }],
        },
      }),
    };
    const endpoint = { lb_endpoints: [{ endpoint: { address: socketAddress(backend) } }] };
    const config = {
      static_resources: {
        listeners: [
          { name: 'bench', address: socketAddress(listen), filter_chains: [{ filters: [manager], ...socket }] },
        ],
        clusters: [{ name: 'backend', load_assignment: { cluster_name: 'backend', endpoints: [endpoint] } }],
      },
    };
    const file = write(task, 'envoy.json', JSON.stringify(config));
    return [path, '-c', file, '--concurrency', '1', '-l', 'error', '--disable-hot-restart'];
  },
  measured: treeOf,
});

/** By name; the first is the one under test. `bun`: its binary, where there is one. */
export const openPeers = (envoyPath: string, bun: string | undefined): ReadonlyMap<string, Peer> =>
  new Map<string, Peer>([
    ['weft', weft],
    ...(bun ? ([['weft on bun', weftOnBun(bun)]] as const) : []),
    ['envoy', envoy(envoyPath)],
    ['bare envoy', bareEnvoy(envoyPath)],
    ['nginx', nginx],
  ]);
