// A proxy of src/proxy with snapshots written in a few words, for the tests of the data plane.
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import type { TrafficEvent } from '../../src/model/event.ts';
import type { ProxyNode } from '../../src/model/node.ts';
import type { ForwardAction, Route } from '../../src/model/route.ts';
import type {
  Cluster,
  Endpoint,
  FilterChain,
  HttpHandler,
  Listener,
  Snapshot,
  TcpHandler,
  UdpHandler,
} from '../../src/model/snapshot.ts';
import { type Proxy as DataPlane, openProxy, type ProxyOptions } from '../../src/proxy/proxy.ts';
import { until } from './raw-peer.ts';

const NODE: ProxyNode = {
  id: 'sidecar~127.0.0.1~test.default~default.svc.cluster.local',
  role: 'sidecar',
  engine: 'weft',
  name: 'test-1',
  namespace: 'default',
  serviceAccount: 'test',
  labels: {},
  localPorts: [],
  ports: {},
  appAddress: '127.0.0.1',
};

export const endpoint = (port: number, more: Partial<Endpoint> = {}): Endpoint => ({
  address: '127.0.0.1',
  port,
  mesh: false,
  weight: 1,
  health: 'healthy',
  ...more,
});

export const cluster = (name: string, endpoints: readonly Endpoint[], more: Partial<Cluster> = {}): Cluster => ({
  name,
  discovery: { type: 'static', endpoints },
  protocol: 'http1',
  tls: { mode: 'none' },
  loadBalancing: 'round-robin',
  connectTimeoutMs: 2000,
  idleTimeoutMs: 4000,
  maxConnections: 100,
  maxPendingRequests: 100,
  ...more,
});

export const forward = (to: string, more: Partial<ForwardAction> = {}): ForwardAction => ({
  type: 'forward',
  targets: [{ cluster: to, weight: 1, filters: [] }],
  ...more,
});

export const route = (action: Route['action'], more: Partial<Route> = {}): Route => ({
  name: 'r',
  match: { path: { type: 'prefix', value: '/' }, headers: [], queryParams: [] },
  filters: [],
  action,
  ...more,
});

export const httpHandler = (more: Partial<HttpHandler> = {}): HttpHandler => ({
  type: 'http',
  routes: 'all',
  authorization: [],
  explicitProxy: false,
  edge: false,
  idleTimeoutMs: 60_000,
  headTimeoutMs: 10_000,
  ...more,
});

export const tcpHandler = (to: string, more: Partial<TcpHandler> = {}): TcpHandler => ({
  type: 'tcp',
  targets: [{ cluster: to, weight: 1 }],
  authorization: [],
  idleTimeoutMs: 60_000,
  ...more,
});

export const udpHandler = (to: string, more: Partial<UdpHandler> = {}): UdpHandler => ({
  type: 'udp',
  targets: [{ cluster: to, weight: 1 }],
  idleTimeoutMs: 60_000,
  ...more,
});

export const chain = (handler: FilterChain['handler'], more: Partial<FilterChain> = {}): FilterChain => ({
  name: 'c',
  match: { serverNames: [] },
  handler,
  ...more,
});

export const listener = (chains: readonly FilterChain[], more: Partial<Listener> = {}): Listener => ({
  name: 'l',
  address: '127.0.0.1',
  port: 0,
  direction: 'gateway',
  chains,
  ...more,
});

export interface Parts {
  readonly listeners: readonly Listener[];
  readonly routes?: readonly Route[];
  readonly domains?: readonly string[];
  readonly tunnels?: Snapshot['routes'] extends ReadonlyMap<string, infer T>
    ? T extends { tunnels: infer U }
      ? U
      : never
    : never;
  readonly clusters?: readonly Cluster[];
  readonly secrets?: Snapshot['secrets'];
}

/** All routes stand in one table, `all`, under one virtual host. */
export const snapshot = ({
  listeners,
  routes = [],
  domains = ['*'],
  tunnels = [],
  clusters = [],
  secrets,
}: Parts): Snapshot => ({
  revision: 1,
  listeners: new Map(listeners.map((item) => [item.name, item])),
  routes: new Map([['all', { name: 'all', virtualHosts: [{ name: 'all', domains, routes }], tunnels }]]),
  clusters: new Map(clusters.map((item) => [item.name, item])),
  endpoints: new Map(),
  secrets: secrets ?? new Map(),
});

/** One plain listener that sends everything to one cluster. */
export const toBackend = (
  endpoints: readonly Endpoint[],
  more: { cluster?: Partial<Cluster>; forward?: Partial<ForwardAction>; handler?: Partial<HttpHandler> } = {},
): Snapshot =>
  snapshot({
    listeners: [listener([chain(httpHandler(more.handler))])],
    routes: [route(forward('b', more.forward))],
    clusters: [cluster('b', endpoints, more.cluster)],
  });

export interface ProxyUnderTest {
  readonly proxy: DataPlane;
  readonly events: TrafficEvent[];
  /** Of a listener by name, or of the only one. */
  port(name?: string): number;
  /** The n-th event, from 0, once it is there. */
  event(index: number): Promise<TrafficEvent>;
  close(): Promise<void>;
}

export const startProxy = async (first: Snapshot, options: Partial<ProxyOptions> = {}): Promise<ProxyUnderTest> => {
  const events: TrafficEvent[] = [];
  const proxy = openProxy({
    node: NODE,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    ...options,
    onEvent: (event) => events.push(event),
  });
  const problems = await proxy.apply(first);
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return {
    proxy,
    events,
    port: (name) => proxy.listeners().find((bound) => name === undefined || bound.name === name)!.port,
    async event(index) {
      await until(() => events.length > index, `event ${index} comes`);
      return events[index]!;
    },
    close: () => proxy.close(),
  };
};
