// One snapshot in Weft's own proxy or in a real Envoy, with the events of both in one form. For tests that put the same
// questions to each engine.
import assert from 'node:assert/strict';
import { holdFreePort } from '../../src/app/ports.ts';
import { peerOf } from '../../src/grpc/service.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { openRateLimitClient } from '../../src/limits/client.ts';
import { openLimits } from '../../src/limits/decide.ts';
import { openMemoryCounts } from '../../src/limits/memory.ts';
import { rateLimitService } from '../../src/limits/service.ts';
import type { TrafficEvent } from '../../src/model/event.ts';
import type { ProxyNode } from '../../src/model/node.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { openProxy, type ProxyOptions } from '../../src/proxy/proxy.ts';
import { senderPeer } from '../../src/telemetry/sender-peer.ts';
import { AccessLogs } from './access-logs.ts';
import { startEnvoy } from './envoy-process.ts';
import { openXdsPlane, proxyNode } from './xds-plane.ts';

export const ENGINES = ['weft', 'envoy'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface Engine {
  readonly name: EngineName;
  /** Of a listener. */
  port(listener: string): number;
  /** The first event that fits, once it is there. */
  event(fits: (event: TrafficEvent) => boolean): Promise<TrafficEvent>;
  close(): Promise<void>;
}

export type SnapshotParts = Partial<Omit<Snapshot, 'revision'>>;

const LOOPBACK = '127.0.0.1';
const POLL_MS = 20;
const TIMEOUT_MS = 15_000;

const freePorts = async (names: readonly string[]): Promise<Map<string, number>> => {
  const held = await Promise.all(names.map(() => holdFreePort(LOOPBACK)));
  await Promise.all(held.map((one) => one.release()));
  return new Map(names.map((name, i) => [name, held[i]!.port]));
};

const waiting =
  (events: () => readonly TrafficEvent[]) =>
  async (fits: (event: TrafficEvent) => boolean): Promise<TrafficEvent> => {
    const end = systemClock.monotonic() + TIMEOUT_MS;
    for (;;) {
      const found = events().find(fits);
      if (found) return found;
      if (systemClock.monotonic() > end) throw new Error(`no such event among ${JSON.stringify(events())}`);
      await new Promise((resolve) => systemClock.after(POLL_MS, () => resolve(undefined), true));
    }
  };

/** `snapshotOf` is given the ports of the listeners that it names. `more`: for Weft's own proxy. */
export const openEngine = async (
  name: EngineName,
  listeners: readonly string[],
  snapshotOf: (port: (listener: string) => number) => SnapshotParts,
  more: Pick<ProxyOptions, 'onLogLine'> = {},
): Promise<Engine> => {
  const ports = await freePorts(listeners);
  const port = (listener: string) => ports.get(listener)!;
  const logs = new AccessLogs();
  const counts = openMemoryCounts(systemClock);
  const limits = rateLimitService({
    ask: openLimits(counts, systemClock),
    mayAsk: (call) => peerOf(call) !== undefined,
    log: silentLog,
  });
  const plane = await openXdsPlane({ services: [logs.service, limits] });
  const svid = plane.svid('shop', 'reviews');
  const node: ProxyNode = proxyNode({ engine: name });
  if (name === 'weft') {
    const events: TrafficEvent[] = [];
    const rateLimits = openRateLimitClient(plane.mutual, () => ({ caPem: svid.bundlePem, own: svid }), systemClock);
    const proxy = openProxy({
      ...more,
      askRateLimit: rateLimits.ask,
      node,
      svid: { current: () => svid, watch: () => () => {} },
      onEvent: (event) => events.push(event),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    });
    const empty = {
      listeners: new Map(),
      routes: new Map(),
      clusters: new Map(),
      endpoints: new Map(),
      secrets: new Map(),
    };
    assert.deepEqual(await proxy.apply({ revision: 1, ...empty, ...snapshotOf(port) }), []);
    const close = async () => {
      await proxy.close();
      rateLimits.close();
      await plane.close();
    };
    return { name, port, event: waiting(() => events), close };
  }
  plane.feed.publish(snapshotOf(port));
  const envoy = await startEnvoy({ node, xds: plane.mutual, svid, protocol: 'DELTA_GRPC' });
  await envoy.until('all listeners', async () => {
    const list = await envoy.admin('/listeners');
    return [...ports.values()].every((one) => list.includes(`:${one}`));
  });
  const sender = senderPeer(svid.spiffeId, node.id);
  const close = async () => {
    await envoy.close();
    await plane.close();
  };
  return { name, port, event: waiting(() => logs.events(sender)), close };
};
