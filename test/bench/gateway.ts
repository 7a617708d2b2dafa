// The proxy alone as a gateway with one route, for the benchmarks: LISTEN and BACKEND (host:port) say from where to where,
// TLS_CERT and TLS_KEY (files) make it terminate TLS. Started by bench.ts and by hand.
import { readFileSync } from 'node:fs';
import { systemClock } from '../../src/lib/clock.ts';
import { systemLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import type { Cluster, FilterChain, Snapshot } from '../../src/model/snapshot.ts';
import { openProxy } from '../../src/proxy/proxy.ts';

const addressOf = (name: string): { address: string; port: number } => {
  const [address = '', port = ''] = (process.env[name] ?? '').split(':');
  if (address === '' || port === '') throw new Error(`set ${name} to host:port`);
  return { address, port: Number(port) };
};

const listen = addressOf('LISTEN');
const backend = addressOf('BACKEND');
const { TLS_CERT, TLS_KEY } = process.env;
const secure = TLS_CERT !== undefined && TLS_KEY !== undefined;

const cluster: Cluster = {
  name: 'backend',
  discovery: {
    type: 'static',
    endpoints: [{ ...backend, mesh: false, weight: 1, health: 'healthy' }],
  },
  protocol: 'http1',
  tls: { mode: 'none' },
  loadBalancing: 'least-request',
  connectTimeoutMs: 1000,
  idleTimeoutMs: 4000,
  maxConnections: 1024,
  maxPendingRequests: 1024,
};

const chain: FilterChain = {
  name: 'all',
  match: { serverNames: [] },
  ...(secure && { tls: { mode: 'terminate', secrets: ['given'] } }),
  handler: {
    type: 'http',
    routes: 'all',
    authorization: [],
    explicitProxy: false,
    edge: true,
    idleTimeoutMs: 60_000,
    headTimeoutMs: 10_000,
  },
};

const snapshot: Snapshot = {
  revision: 1,
  listeners: new Map([['gateway', { name: 'gateway', ...listen, direction: 'gateway', chains: [chain] }]]),
  routes: new Map([
    [
      'all',
      {
        name: 'all',
        virtualHosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [
              {
                name: 'all',
                match: { path: { type: 'prefix', value: '/' }, headers: [], queryParams: [] },
                filters: [],
                action: {
                  type: 'forward',
                  targets: [{ cluster: 'backend', weight: 1, filters: [] }],
                  timeoutMs: 15_000,
                },
              },
            ],
          },
        ],
        tunnels: [],
      },
    ],
  ]),
  clusters: new Map([['backend', cluster]]),
  endpoints: new Map(),
  secrets: new Map(
    secure
      ? [['given', { name: 'given', chainPem: readFileSync(TLS_CERT, 'utf8'), keyPem: readFileSync(TLS_KEY, 'utf8') }]]
      : [],
  ),
};

let events = 0;
const log = systemLog('bench');
const proxy = openProxy({
  node: {
    id: 'gateway~127.0.0.1~bench.default~default.svc.cluster.local',
    role: 'gateway',
    engine: 'weft',
    name: 'bench',
    namespace: 'default',
    serviceAccount: 'bench',
    labels: {},
    localPorts: [],
    ports: {},
    appAddress: '127.0.0.1',
  },
  onEvent: () => {
    events++;
  },
  clock: systemClock,
  random: systemRandom,
  log,
});
const problems = await proxy.apply(snapshot);
for (const problem of problems) log.error(problem.message, { code: problem.code });
if (problems.length > 0) process.exit(1);
process.on('SIGTERM', () => {
  log.info('done', { events });
  void proxy.close().then(() => process.exit(0));
});
