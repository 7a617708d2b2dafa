// Weft's own proxy and a real Envoy with the same snapshot, each on ports of its own, for tests that ask both the same.
import assert from 'node:assert/strict';
import { holdFreePort } from '../../src/app/ports.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import type { TrafficEvent } from '../../src/model/event.ts';
import type { Cluster, HttpHandler, Listener, RouteTable, Snapshot } from '../../src/model/snapshot.ts';
import { openProxy } from '../../src/proxy/proxy.ts';
import { senderPeer } from '../../src/telemetry/sender-peer.ts';
import { AccessLogs } from './access-logs.ts';
import { startEnvoy } from './envoy-process.ts';
import { until } from './raw-peer.ts';
import { openXdsPlane, proxyNode } from './xds-plane.ts';

const LOOPBACK = '127.0.0.1';
const SELF = 'spiffe://cluster.local/ns/shop/sa/reviews';

export const ENGINES = ['weft', 'envoy'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface EnginePair {
  readonly ports: Readonly<Record<EngineName, number>>;
  /** The first event that fits; waits for it. */
  event(engine: EngineName, fits: (event: TrafficEvent) => boolean): Promise<TrafficEvent>;
  close(): Promise<void>;
}

/** One gateway in plain text with these routes. */
export const gatewaySnapshot = (
  port: number,
  virtualHosts: RouteTable['virtualHosts'],
  clusters: readonly Cluster[],
  handler: Partial<HttpHandler> = {},
): Omit<Snapshot, 'revision'> => {
  const listener: Listener = {
    name: 'gateway',
    address: LOOPBACK,
    port,
    direction: 'gateway',
    chains: [
      {
        name: 'http',
        match: { serverNames: [] },
        handler: {
          type: 'http',
          routes: 'all',
          authorization: [],
          explicitProxy: false,
          edge: false,
          idleTimeoutMs: 30_000,
          headTimeoutMs: 1_000,
          ...handler,
        },
      },
    ],
  };
  return {
    listeners: new Map([['gateway', listener]]),
    routes: new Map([['all', { name: 'all', virtualHosts, tunnels: [] }]]),
    clusters: new Map(clusters.map((cluster) => [cluster.name, cluster])),
    endpoints: new Map(),
    secrets: new Map(),
  };
};

export const openEnginePair = async (snapshotOf: (port: number) => Omit<Snapshot, 'revision'>): Promise<EnginePair> => {
  const held = await Promise.all([holdFreePort(LOOPBACK), holdFreePort(LOOPBACK)]);
  await Promise.all(held.map((one) => one.release()));
  const ports = { weft: held[0].port, envoy: held[1].port };
  const events: TrafficEvent[] = [];
  const proxy = openProxy({
    node: proxyNode({ role: 'gateway', name: 'edge' }),
    onEvent: (event) => events.push(event),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  assert.deepEqual(await proxy.apply({ revision: 1, ...snapshotOf(ports.weft) }), []);
  const logs = new AccessLogs();
  const plane = await openXdsPlane({ services: [logs.service] });
  plane.feed.publish(snapshotOf(ports.envoy));
  const svid = plane.svid('shop', 'reviews');
  const node = proxyNode({ engine: 'envoy' });
  const envoy = await startEnvoy({ node, xds: plane.mutual, svid, protocol: 'DELTA_GRPC' });
  await envoy.until('its listener', async () => (await envoy.admin('/listeners')).includes(`:${ports.envoy}`));
  const sender = senderPeer(SELF, node.id);
  return {
    ports,
    async event(engine, fits) {
      const list = () => (engine === 'weft' ? events : logs.events(sender));
      await until(
        () => list().some(fits),
        () => `the event comes; so far: ${JSON.stringify(list())}`,
      );
      return list().find(fits)!;
    },
    async close() {
      await proxy.close();
      await envoy.close();
      await plane.close();
    },
  };
};
