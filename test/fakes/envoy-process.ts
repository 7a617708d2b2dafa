// A real Envoy that takes its configuration from a test's control plane over ADS, as the agent would set it up.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSdsServer } from '../../src/ca/sds-server.ts';
import { findEnvoy } from '../../src/envoy/find.ts';
import { pause, systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import type { Svid } from '../../src/model/identity.ts';
import type { ProxyNode } from '../../src/model/node.ts';
import { encodeNode } from '../../src/xds/node-metadata.ts';

export interface EnvoyOptions {
  readonly node: ProxyNode;
  /** `host:port` of the control plane, behind mutual TLS. */
  readonly xds: string;
  readonly svid: Svid;
  readonly protocol: 'GRPC' | 'DELTA_GRPC';
}

export interface RunningEnvoy {
  readonly pid: number;
  /** The text of an admin page. */
  admin(path: string): Promise<string>;
  /** What it logged. */
  log(): string;
  /** Waits until `check` holds; says what Envoy logged when it doesn't. */
  until(what: string, check: () => boolean | Promise<boolean>): Promise<void>;
  close(): Promise<void>;
}

const typed = (type: string, fields: object = {}) => ({ '@type': `type.googleapis.com/envoy.${type}`, ...fields });

const http2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed('extensions.upstreams.http.v3.HttpProtocolOptions', {
    explicit_http_config: { http2_protocol_options: {} },
  }),
};

const grpcTo = (cluster: string) => ({ envoy_grpc: { cluster_name: cluster } });

const sds = (name: string) => ({
  name,
  sds_config: {
    resource_api_version: 'V3',
    api_config_source: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [grpcTo('sds-grpc')] },
  },
});

const clusterOf = (name: string, address: object, transport?: object) => ({
  name,
  type: 'STATIC',
  connect_timeout: '5s',
  typed_extension_protocol_options: http2,
  load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  ...(transport && { transport_socket: transport }),
});

const bootstrapOf = ({ node, xds, protocol }: EnvoyOptions, sdsSocket: string) => {
  const [address, port] = xds.split(':');
  const tls = {
    name: 'envoy.transport_sockets.tls',
    typed_config: typed('extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      common_tls_context: {
        tls_certificate_sds_secret_configs: [sds('default')],
        validation_context_sds_secret_config: sds('ROOTCA'),
      },
    }),
  };
  const ads = { resource_api_version: 'V3', ads: {} };
  return {
    node: { id: node.id, cluster: node.name, metadata: encodeNode(node, { registers: false }) },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typed_config: typed('extensions.bootstrap.internal_listener.v3.InternalListener'),
      },
    ],
    dynamic_resources: {
      ads_config: {
        api_type: protocol,
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [grpcTo('xds-grpc')],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        clusterOf('xds-grpc', { socket_address: { address, port_value: Number(port) } }, tls),
        clusterOf('sds-grpc', { pipe: { path: sdsSocket } }),
      ],
    },
  };
};

const DEADLINE_MS = 30_000;
const POLL_MS = 20;

const exited = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });

/** Starts Envoy and waits until it has its first configuration. */
export const startEnvoy = async (options: EnvoyOptions): Promise<RunningEnvoy> => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-envoy-'));
  const sdsSocket = join(dir, 'sds', 'socket');
  const source = { current: () => options.svid, watch: () => () => {} };
  const secrets = await openSdsServer({ socketPath: sdsSocket, source, log: silentLog });
  const adminFile = join(dir, 'admin');
  const bootstrap = JSON.stringify(bootstrapOf(options, sdsSocket));
  const flags = [
    '--disable-hot-restart',
    '--concurrency',
    '1',
    '--log-level',
    process.env.ENVOY_LOG_LEVEL ?? 'warning',
  ];
  const { path } = await findEnvoy({ env: process.env });
  const child = spawn(path, ['--config-yaml', bootstrap, '--admin-address-path', adminFile, ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  child.on('error', (error) => {
    log += error.message;
  });
  const envoy: RunningEnvoy = {
    pid: child.pid ?? 0,
    log: () => log,
    async admin(path) {
      const response = await fetch(`http://${readFileSync(adminFile, 'utf8')}${path}`);
      return response.text();
    },
    async until(what, check) {
      const start = systemClock.monotonic();
      while (!(await Promise.resolve(check()).catch(() => false))) {
        const late = systemClock.monotonic() - start > DEADLINE_MS;
        if (late || child.exitCode !== null) throw new Error(`${what} did not come about; Envoy says:\n${log}`);
        await pause(systemClock, POLL_MS);
      }
    },
    async close() {
      child.kill('SIGKILL');
      await exited(child);
      await secrets.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    await envoy.until('a ready Envoy', async () => (await envoy.admin('/ready')).startsWith('LIVE'));
  } catch (error) {
    await envoy.close();
    throw error;
  }
  return envoy;
};
