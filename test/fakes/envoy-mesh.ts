// The snapshot that the tests with a real Envoy publish: a gateway, an explicit outbound proxy and an inbound listener in
// one Envoy, with an HTTP and a TCP program behind it.

import type { AuthorizationPolicy, PolicyRule } from '../../src/model/policy.ts';
import type { ForwardTarget, Route } from '../../src/model/route.ts';
import type {
  Cluster,
  FilterChain,
  HttpHandler,
  Listener,
  RouteTable,
  Snapshot,
  TlsSecret,
} from '../../src/model/snapshot.ts';
import { INVALID_CLUSTER } from '../../src/model/snapshot.ts';

export interface MeshPorts {
  readonly gateway: number;
  readonly secureGateway: number;
  readonly outbound: number;
  readonly inbound: number;
  readonly inboundTcp: number;
  /** The programs. */
  readonly http: number;
  readonly tcp: number;
}

const LOOPBACK = '127.0.0.1';
export const SELF = 'spiffe://cluster.local/ns/shop/sa/reviews';

export const route = (rest: Partial<Route> & Pick<Route, 'action'>): Route => ({
  name: 'default',
  match: { path: { type: 'prefix', value: '/' }, headers: [], queryParams: [] },
  filters: [],
  ...rest,
});

export const forward = (...targets: [cluster: string, weight: number][]): Route['action'] => ({
  type: 'forward',
  targets: targets.map(([cluster, weight]): ForwardTarget => ({ cluster, weight, filters: [] })),
});

export const cluster = (name: string, rest: Partial<Cluster> = {}): Cluster => ({
  name,
  discovery: { type: 'eds' },
  protocol: 'http1',
  tls: { mode: 'none' },
  loadBalancing: 'least-request',
  connectTimeoutMs: 2_000,
  idleTimeoutMs: 4_000,
  maxConnections: 100,
  maxPendingRequests: 100,
  ...rest,
});

const handler = (routes: string, rest: Partial<HttpHandler> = {}): HttpHandler => ({
  type: 'http',
  routes,
  authorization: [],
  explicitProxy: false,
  edge: false,
  idleTimeoutMs: 30_000,
  headTimeoutMs: 5_000,
  ...rest,
});

const listener = (
  name: string,
  port: number,
  direction: Listener['direction'],
  ...chains: FilterChain[]
): Listener => ({
  name,
  address: LOOPBACK,
  port,
  direction,
  chains,
});

const byName = <T extends { readonly name: string }>(...parts: T[]) => new Map(parts.map((part) => [part.name, part]));

const at = (port: number, mesh: boolean) => ({
  address: LOOPBACK,
  port,
  mesh,
  ...(mesh && { identity: SELF }),
  workload: 'shop/reviews-1',
  weight: 1,
  health: 'healthy' as const,
});

const exact = (...values: string[]) => ({ any: values.map((value) => ({ type: 'exact', value }) as const), none: [] });
const rule = (rest: Partial<PolicyRule>): PolicyRule => ({ from: [], to: [], when: [], ...rest });

const fromSelf = [{ principals: exact('cluster.local/ns/shop/sa/reviews') }];

/** The program's own port is what `ports` speaks of, though the connection comes in at another. */
export const policiesFor = (port: number): AuthorizationPolicy[] => [
  { name: 'mesh/default-deny', action: 'ALLOW', rules: [] },
  {
    name: 'shop/reviews-callers',
    action: 'ALLOW',
    rules: [rule({ from: fromSelf, to: [{ ports: { any: [port], none: [] } }] })],
  },
  {
    name: 'shop/no-admin',
    action: 'DENY',
    rules: [rule({ to: [{ paths: { any: [{ type: 'prefix', value: '/admin' }], none: [] } }] })],
  },
];

const tcpPolicies: AuthorizationPolicy[] = [
  { name: 'shop/db-callers', action: 'ALLOW', rules: [rule({ from: fromSelf })] },
];

const WEB = 'outbound|80||reviews.shop.svc.cluster.local';
export const DATABASE = 'outbound|5432||db.shop.svc.cluster.local';

const gatewayTable = (name: string): RouteTable => ({
  name,
  tunnels: [],
  virtualHosts: [
    {
      name: 'shop.test',
      domains: ['shop.test'],
      routes: [
        route({
          name: 'rewritten',
          match: { path: { type: 'prefix', value: '/old' }, headers: [], queryParams: [] },
          filters: [
            { type: 'request-headers', set: [{ name: 'x-set', value: '50%' }], add: [], remove: ['x-gone'] },
            { type: 'url-rewrite', path: { type: 'prefix', value: '/new' }, host: 'inner.test' },
          ],
          action: forward(['plain', 1]),
        }),
        route({
          name: 'half',
          match: { path: { type: 'prefix', value: '/half' }, headers: [], queryParams: [] },
          action: forward(['plain', 1], [INVALID_CLUSTER, 1]),
        }),
        route({
          name: 'moved',
          match: { path: { type: 'exact', value: '/moved' }, headers: [], queryParams: [] },
          action: { type: 'redirect', status: 301, path: { type: 'full', value: '/there' } },
        }),
        route({
          name: 'teapot',
          match: { path: { type: 'exact', value: '/tea' }, headers: [], queryParams: [] },
          action: { type: 'direct', status: 418, body: 'short and stout' },
        }),
        route({
          name: 'by-header',
          match: {
            path: { type: 'prefix', value: '/v' },
            method: 'GET',
            headers: [{ name: 'x-version', type: 'exact', value: '2' }],
            queryParams: [{ name: 'q', type: 'regex', value: '[0-9]+' }],
          },
          action: { type: 'direct', status: 200, body: 'version 2' },
        }),
        route({
          name: 'retried',
          match: { path: { type: 'prefix', value: '/flaky' }, headers: [], queryParams: [] },
          action: {
            ...(forward(['plain', 1]) as Extract<Route['action'], { type: 'forward' }>),
            retry: { attempts: 2, statuses: [503], backoffMs: 1 },
            timeoutMs: 5_000,
          },
        }),
        route({ name: 'all', action: forward(['plain', 1]) }),
      ],
    },
    {
      name: 'wild',
      domains: ['*.wild.test'],
      routes: [route({ action: { type: 'direct', status: 200, body: 'wild' } })],
    },
  ],
});

const outboundTable = (): RouteTable => ({
  name: 'outbound',
  virtualHosts: [
    { name: 'shop/reviews:80', domains: ['reviews', 'reviews:80'], routes: [route({ action: forward([WEB, 1]) })] },
  ],
  tunnels: [
    { authorities: ['reviews:80'], protocol: 'http', targets: [{ cluster: WEB, weight: 1 }] },
    { authorities: ['db:5432'], protocol: 'tcp', targets: [{ cluster: DATABASE, weight: 1 }] },
    // Declared as HTTP, speaks something else.
    { authorities: ['odd:5432'], protocol: 'http', targets: [{ cluster: DATABASE, weight: 1 }] },
  ],
});

export const meshSnapshot = (ports: MeshPorts, secret: TlsSecret): Omit<Snapshot, 'revision'> => {
  const inboundName = `inbound|${ports.http}||`;
  const inboundTcpName = `inbound|${ports.tcp}||`;
  const app = (name: string, port: number) =>
    cluster(name, { discovery: { type: 'static', endpoints: [{ ...at(port, false) }] } });
  const mesh = (sni: string) => ({ tls: { mode: 'mesh', sni, identities: [SELF] } }) as const;
  const tls = { mode: 'mesh' } as const;
  const reviews = { namespace: 'shop', name: 'reviews', port: 80 };
  const inboundChain: FilterChain = {
    name: 'reviews',
    match: { transport: 'tls', serverNames: ['reviews.mesh'] },
    tls,
    handler: handler(inboundName, { authorization: policiesFor(ports.http), service: reviews }),
  };
  const tcpChain: FilterChain = {
    name: 'db',
    match: { transport: 'tls', serverNames: [] },
    tls,
    handler: {
      type: 'tcp',
      targets: [{ cluster: inboundTcpName, weight: 1 }],
      authorization: tcpPolicies,
      idleTimeoutMs: 60_000,
      service: { namespace: 'shop', name: 'db', port: 5432 },
    },
  };
  const edge = { edge: true };
  return {
    listeners: byName(
      listener('gateway/http', ports.gateway, 'gateway', {
        name: 'http',
        match: { serverNames: [] },
        handler: handler('gateway/http', edge),
      }),
      listener('gateway/https', ports.secureGateway, 'gateway', {
        name: 'https',
        match: { transport: 'tls', serverNames: ['shop.test'] },
        tls: { mode: 'terminate', secrets: [secret.name] },
        handler: handler('gateway/https', edge),
      }),
      listener('outbound', ports.outbound, 'outbound', {
        name: 'outbound',
        match: { serverNames: [] },
        handler: handler('outbound', { explicitProxy: true }),
      }),
      listener('inbound', ports.inbound, 'inbound', inboundChain, {
        name: 'plain',
        match: { transport: 'plain', serverNames: [] },
        handler: handler(inboundName, { authorization: policiesFor(ports.http), service: reviews }),
      }),
      listener('inbound-tcp', ports.inboundTcp, 'inbound', tcpChain),
    ),
    routes: byName(gatewayTable('gateway/http'), gatewayTable('gateway/https'), outboundTable(), {
      name: inboundName,
      virtualHosts: [{ name: 'app', domains: ['*'], routes: [route({ action: forward([inboundName, 1]) })] }],
      tunnels: [],
    }),
    clusters: byName(
      cluster('plain'),
      cluster(WEB, mesh('reviews.mesh')),
      cluster(DATABASE, { ...mesh('db.mesh'), protocol: 'tcp' }),
      app(inboundName, ports.http),
      app(inboundTcpName, ports.tcp),
    ),
    endpoints: new Map([
      ['plain', { cluster: 'plain', endpoints: [at(ports.http, false)] }],
      [WEB, { cluster: WEB, endpoints: [at(ports.inbound, true)] }],
      [DATABASE, { cluster: DATABASE, endpoints: [at(ports.inboundTcp, true)] }],
    ]),
    secrets: byName(secret),
  };
};
