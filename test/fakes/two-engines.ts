// Weft's own proxy and a real Envoy side by side, each a gateway, an outbound proxy and two inbound ones: before a program
// that serves, and before one that was killed. For the tests of how they work with one another.
import assert from 'node:assert/strict';
import { holdFreePort } from '../../src/app/ports.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import type {
  Cluster,
  Endpoint,
  FilterChain,
  HttpHandler,
  Listener,
  RouteTable,
  Snapshot,
} from '../../src/model/snapshot.ts';
import { openProxy } from '../../src/proxy/proxy.ts';
import { AccessLogs } from './access-logs.ts';
import { cluster, forward, route, SELF } from './envoy-mesh.ts';
import { startEnvoy } from './envoy-process.ts';
import { openXdsPlane, proxyNode } from './xds-plane.ts';

const LOOPBACK = '127.0.0.1';
const SNI = 'outbound_.80_._.reviews.shop.svc.cluster.local';
export const ENGINES = ['weft', 'envoy'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface EnginePorts {
  readonly gateway: number;
  readonly outbound: number;
  /** Before the killed program, and before the one that serves. */
  readonly dead: number;
  readonly alive: number;
}

type AllPorts = Readonly<Record<EngineName, EnginePorts>>;

/** What hosts `to-<engine>.test` mean, by the ports of that engine. */
const TARGETS: Readonly<Record<string, (ports: EnginePorts, nowhere: number) => readonly number[]>> = {
  /** One of two programs was killed. */
  to: ({ dead, alive }) => [dead, alive],
  /** Both were. */
  lost: ({ dead }) => [dead],
  /** One of two proxies was. */
  half: ({ alive }, nowhere) => [nowhere, alive],
};

const handler = (routes: string, explicitProxy = false): HttpHandler => ({
  type: 'http',
  routes,
  authorization: [],
  explicitProxy,
  edge: false,
  idleTimeoutMs: 30_000,
  headTimeoutMs: 5_000,
});

const endpoint = (port: number, mesh: boolean): Endpoint => ({
  address: LOOPBACK,
  port,
  mesh,
  ...(mesh && { identity: SELF }),
  weight: 1,
  health: 'healthy',
});

const byName = <T extends { readonly name: string }>(parts: readonly T[]) =>
  new Map(parts.map((part) => [part.name, part]));

const listener = (
  name: string,
  port: number,
  direction: Listener['direction'],
  chain: Omit<FilterChain, 'name'>,
): Listener => ({ name, address: LOOPBACK, port, direction, chains: [{ name: 'http', ...chain }] });

const inboundListener = (name: string, port: number): Listener =>
  listener(name, port, 'inbound', {
    match: { transport: 'tls', serverNames: [SNI] },
    tls: { mode: 'mesh' },
    handler: handler(name),
  });

const inboundTable = (name: string): RouteTable => ({
  name,
  virtualHosts: [{ name, domains: ['*'], routes: [route({ action: forward([name, 1]) })] }],
  tunnels: [],
});

const snapshotOf = (
  own: EnginePorts,
  all: AllPorts,
  programs: { readonly dead: number; readonly alive: number },
  protocol: Cluster['protocol'],
): Omit<Snapshot, 'revision'> => {
  const names = Object.keys(TARGETS).flatMap((kind) =>
    ENGINES.map((engine) => ({ kind, engine, name: `${kind}-${engine}` })),
  );
  const table = (name: string): RouteTable => ({
    name,
    virtualHosts: names.map(({ name }) => ({
      name,
      domains: [`${name}.test`],
      routes: [route({ action: forward([name, 1]) })],
    })),
    tunnels: [],
  });
  const plain = { serverNames: [] };
  return {
    listeners: byName([
      listener('gateway', own.gateway, 'gateway', { match: plain, handler: handler('gateway') }),
      listener('outbound', own.outbound, 'outbound', { match: plain, handler: handler('outbound', true) }),
      inboundListener('dead', own.dead),
      inboundListener('alive', own.alive),
    ]),
    routes: byName([table('gateway'), table('outbound'), inboundTable('dead'), inboundTable('alive')]),
    clusters: byName([
      ...names.map(({ name }) =>
        cluster(name, { protocol, loadBalancing: 'round-robin', tls: { mode: 'mesh', sni: SNI, identities: [SELF] } }),
      ),
      cluster('dead', { discovery: { type: 'static', endpoints: [endpoint(programs.dead, false)] } }),
      cluster('alive', { protocol, discovery: { type: 'static', endpoints: [endpoint(programs.alive, false)] } }),
    ]),
    endpoints: new Map(
      names.map(({ kind, engine, name }) => {
        const ports = TARGETS[kind]!(all[engine], programs.dead);
        return [name, { cluster: name, endpoints: ports.map((port) => endpoint(port, true)) }];
      }),
    ),
    secrets: new Map(),
  };
};

export interface TwoEngines {
  readonly ports: AllPorts;
  /** How often an engine could not reach the killed program. */
  misses(engine: EngineName): Promise<number>;
  close(): Promise<void>;
}

const freePorts = async (count: number): Promise<number[]> => {
  const held = await Promise.all(Array.from({ length: count }, () => holdFreePort(LOOPBACK)));
  await Promise.all(held.map((one) => one.release()));
  return held.map(({ port }) => port);
};

const portsOf = ([gateway, outbound, dead, alive]: readonly number[]): EnginePorts => ({
  gateway: gateway!,
  outbound: outbound!,
  dead: dead!,
  alive: alive!,
});

/** `program` serves; nothing listens where the other one was. `protocol` is spoken on every hop behind the first. */
export const startTwoEngines = async (
  program: number,
  protocol: Cluster['protocol'] = 'http1',
): Promise<TwoEngines> => {
  const logs = new AccessLogs();
  const plane = await openXdsPlane({ services: [logs.service] });
  const [nowhere, ...free] = await freePorts(9);
  const ports: AllPorts = { weft: portsOf(free.slice(0, 4)), envoy: portsOf(free.slice(4)) };
  const programs = { dead: nowhere!, alive: program };
  const svid = plane.svid('shop', 'reviews');
  const proxy = openProxy({
    node: proxyNode(),
    svid: { current: () => svid, watch: () => () => {} },
    onEvent: () => {},
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  assert.deepEqual(await proxy.apply({ revision: 1, ...snapshotOf(ports.weft, ports, programs, protocol) }), []);
  plane.feed.publish(snapshotOf(ports.envoy, ports, programs, protocol));
  const envoy = await startEnvoy({
    node: proxyNode({ engine: 'envoy' }),
    xds: plane.mutual,
    svid,
    protocol: 'DELTA_GRPC',
  });
  await envoy.until('all listeners', async () => {
    const list = await envoy.admin('/listeners');
    return Object.values(ports.envoy).every((port) => list.includes(`:${port}`));
  });
  return {
    ports,
    async misses(engine) {
      if (engine === 'weft') return proxy.stats().clusters.dead!.failures;
      const stat = await envoy.admin('/stats?filter=^cluster.dead.upstream_cx_connect_fail$');
      return Number(/: (\d+)/.exec(stat)?.[1]);
    },
    async close() {
      await proxy.close();
      await envoy.close();
      await plane.close();
    },
  };
};
