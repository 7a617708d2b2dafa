// A gateway and the proxy of a workload, mutual TLS between them, whose configuration, endpoints and certificates change all
// the time. The process that soak.test.ts watches; it takes orders and answers over IPC.
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { nodeId, type ProxyNode } from '../../src/model/node.ts';
import type { Cluster, Endpoint, Listener, Snapshot, UpstreamTls } from '../../src/model/snapshot.ts';
import { type Proxy as DataPlane, openProxy } from '../../src/proxy/proxy.ts';
import { FakeAuthority, spiffeId } from '../fakes/mesh-ca.ts';
import {
  chain,
  cluster,
  endpoint,
  forward,
  httpHandler,
  listener,
  route,
  tcpHandler,
} from '../fakes/proxy-under-test.ts';
import { makeSelfSigned } from '../fakes/self-signed.ts';

/** Where the programs listen. */
export interface Programs {
  readonly http: number;
  readonly grpc: number;
  readonly tcp: number;
}

/** Where the clients connect to. */
export interface Doors {
  readonly plain: number;
  readonly secure: number;
  readonly tcp: number;
}

export interface Report {
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly sockets: number;
  readonly timers: number;
  readonly requests: number;
  readonly edits: number;
  readonly renewals: number;
  readonly problems: readonly string[];
  /** Events with flags, by flags and status. */
  readonly flagged: Readonly<Record<string, number>>;
}

export type Order = { readonly start: Programs } | 'report' | 'settle' | 'close';

const EDIT_MS = 150;
const RENEW_MS = 2_500;
const PROTOCOLS = ['http', 'grpc', 'tcp'] as const;
type Protocol = (typeof PROTOCOLS)[number];

const authority = new FakeAuthority();
const ids = { gateway: spiffeId('gateway', 'weft-system'), workload: spiffeId('programs') };
const sources = { gateway: authority.source(ids.gateway), workload: authority.source(ids.workload) };
const served = makeSelfSigned();
const counts = { edits: 0, renewals: 0, requests: 0 };
const problems: string[] = [];
const flagged: Record<string, number> = {};

const nodeOf = (role: ProxyNode['role'], name: string): ProxyNode => ({
  id: nodeId(role, '127.0.0.1', name, 'default'),
  role,
  engine: 'weft',
  name,
  namespace: 'default',
  serviceAccount: name,
  labels: {},
  localPorts: [],
  ports: {},
  appAddress: '127.0.0.1',
});

const open = (role: ProxyNode['role'], name: string, svid: (typeof sources)['gateway']): DataPlane =>
  openProxy({
    node: nodeOf(role, name),
    svid,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    onEvent: ({ flags, http, direction, tlsRefusal }) => {
      counts.requests++;
      if (flags.length === 0) return;
      const key = `${direction} ${flags.join(',')} ${http ? `${http.status} ${http.path.split('?')[0]}` : (tlsRefusal?.reason ?? 'tcp')}`;
      flagged[key] = (flagged[key] ?? 0) + 1;
    },
  });

const byName = <T extends { readonly name: string }>(...parts: T[]) => new Map(parts.map((part) => [part.name, part]));

const protocolOf: Readonly<Record<Protocol, Cluster['protocol']>> = { http: 'http1', grpc: 'http2', tcp: 'tcp' };

const snapshotOf = (parts: Omit<Snapshot, 'revision' | 'endpoints' | 'secrets'> & Partial<Snapshot>): Snapshot => ({
  revision: counts.edits,
  endpoints: new Map(),
  secrets: new Map(),
  ...parts,
});

/** Of the workload: one inbound listener on mutual TLS, its chains told apart by name; two of them stand for two workloads. */
const workloadSnapshot = (programs: Programs): Snapshot => {
  const chains = PROTOCOLS.map((protocol) =>
    chain(protocol === 'tcp' ? tcpHandler('in-tcp') : httpHandler({ routes: `in-${protocol}` }), {
      name: protocol,
      match: { transport: 'tls', serverNames: [`${protocol}.mesh`] },
      tls: { mode: 'mesh' },
    }),
  );
  const inbound = (name: string): Listener => listener(chains, { name, direction: 'inbound' });
  const table = (protocol: Protocol) => ({
    name: `in-${protocol}`,
    tunnels: [],
    virtualHosts: [
      {
        name: protocol,
        domains: ['*'],
        routes: [
          route(forward(`in-${protocol}`), {
            filters: [
              { type: 'response-headers', set: [{ name: 'x-edit', value: String(counts.edits) }], add: [], remove: [] },
            ],
          }),
        ],
      },
    ],
  });
  return snapshotOf({
    listeners: byName(inbound('inbound-0'), inbound('inbound-1')),
    routes: byName(table('http'), table('grpc')),
    clusters: byName(
      ...PROTOCOLS.map((protocol) =>
        cluster(`in-${protocol}`, [endpoint(programs[protocol])], { protocol: protocolOf[protocol] }),
      ),
    ),
  });
};

/** Of the gateway: routes that come and go, and of two endpoints now the one, now the other, now both. */
const gatewaySnapshot = (inbound: readonly number[]): Snapshot => {
  const { edits } = counts;
  const present = [[0, 1], [0], [0, 1], [1]][edits % 4]!;
  const endpoints = present.map((i): Endpoint => endpoint(inbound[i]!, { mesh: true, identity: ids.workload }));
  const tls = (protocol: Protocol): UpstreamTls => ({
    mode: 'mesh',
    sni: `${protocol}.mesh`,
    identities: [ids.workload],
  });
  const passing = Array.from({ length: 1 + (edits % 7) }, (_, i) =>
    route(
      { type: 'direct', status: 404, body: 'gone' },
      { name: `p-${i}`, match: { path: { type: 'exact', value: `/passing-${i}` }, headers: [], queryParams: [] } },
    ),
  );
  const toGrpc = route(forward('grpc'), {
    name: 'grpc',
    match: { path: { type: 'prefix', value: '/soak.Echo' }, headers: [], queryParams: [] },
  });
  const http = chain(httpHandler({ routes: 'edge', edge: true }), { name: 'http' });
  return snapshotOf({
    listeners: byName(
      listener([http], { name: 'plain' }),
      listener(
        [{ ...http, name: 'https', tls: { mode: 'terminate', secrets: ['served'], alpn: ['h2', 'http/1.1'] } }],
        {
          name: 'secure',
        },
      ),
      listener([chain(tcpHandler('tcp'), { name: 'tcp' })], { name: 'tcp' }),
      ...(edits % 5 === 0 ? [listener([http], { name: 'passing' })] : []),
    ),
    routes: byName({
      name: 'edge',
      tunnels: [],
      virtualHosts: [
        { name: 'all', domains: ['*'], routes: [...passing, toGrpc, route(forward('http'), { name: 'http' })] },
      ],
    }),
    clusters: byName(
      ...PROTOCOLS.map((protocol) =>
        cluster(protocol, [], { discovery: { type: 'eds' }, protocol: protocolOf[protocol], tls: tls(protocol) }),
      ),
    ),
    endpoints: new Map(PROTOCOLS.map((protocol) => [protocol, { cluster: protocol, endpoints }])),
    secrets: new Map([['served', { name: 'served', chainPem: served.certPem, keyPem: served.keyPem }]]),
  });
};

const gateway = open('gateway', 'gateway', sources.gateway);
const workload = open('sidecar', 'programs', sources.workload);
const timers: NodeJS.Timeout[] = [];

const portOf = (proxy: DataPlane, name: string): number => proxy.listeners().find((bound) => bound.name === name)!.port;

const start = async (programs: Programs): Promise<Doors> => {
  const apply = async () => {
    counts.edits++;
    const found = [...(await workload.apply(workloadSnapshot(programs)))];
    const inbound = [portOf(workload, 'inbound-0'), portOf(workload, 'inbound-1')];
    found.push(...(await gateway.apply(gatewaySnapshot(inbound))));
    problems.push(...found.map(({ code, message }) => `${code}: ${message}`));
  };
  await apply();
  timers.push(setInterval(() => void apply(), EDIT_MS));
  timers.push(
    setInterval(() => {
      counts.renewals++;
      (counts.renewals % 2 === 0 ? sources.gateway : sources.workload).renew();
    }, RENEW_MS),
  );
  return { plain: portOf(gateway, 'plain'), secure: portOf(gateway, 'secure'), tcp: portOf(gateway, 'tcp') };
};

const report = (): Report => {
  for (let i = 0; i < 2; i++) globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo();
  const count = (...names: string[]) => resources.filter((name) => names.includes(name)).length;
  return {
    heapBytes: heapUsed + external,
    rssBytes: rss,
    sockets: count('TCPSocketWrap', 'TLSWrap', 'TLSSocketWrap', 'TCPWRAP'),
    timers: count('Timeout'),
    ...counts,
    problems,
    flagged,
  };
};

process.on('message', async (order: Order) => {
  if (order === 'report') process.send!(report());
  else if (order === 'settle') {
    for (const timer of timers) clearInterval(timer);
    process.send!(report());
  } else if (order === 'close') {
    await Promise.all([gateway.drain(5_000), workload.drain(5_000)]);
    process.disconnect();
  } else process.send!(await start(order.start));
});
