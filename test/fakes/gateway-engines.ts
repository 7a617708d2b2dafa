// A gateway made of manifests, on Weft's own proxy or a real Envoy: YAML → compile → snapshot → engine, without the processes
// around it. For the tests that send the same traffic through both.
import assert from 'node:assert/strict';
import { holdFreePort } from '../../src/app/ports.ts';
import { openCompiler } from '../../src/compile/compiler.ts';
import { formatManifestProblem, parseManifests } from '../../src/kinds/yaml.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import type { TrafficEvent } from '../../src/model/event.ts';
import type { ProxyNode } from '../../src/model/node.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { openProxy } from '../../src/proxy/proxy.ts';
import { AccessLogs } from './access-logs.ts';
import { startEnvoy } from './envoy-process.ts';
import { openXdsPlane, proxyNode, TRUST_DOMAIN } from './xds-plane.ts';

export const ENGINES = ['weft', 'envoy'] as const;
export type EngineName = (typeof ENGINES)[number];

export const LOOPBACK = '127.0.0.1';

const CLASS = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: weft }
spec: { controllerName: weft.dev/gateway-controller }
`;

/** A Service without a selector, and its endpoints; ports in flow style, the first with the number of the endpoints. */
export const backend = (
  name: string,
  port: number,
  details: { appProtocol?: string; transport?: string } = {},
): string => {
  const { appProtocol, transport = 'TCP' } = details;
  const protocol = `protocol: ${transport}${appProtocol ? `, appProtocol: ${appProtocol}` : ''}`;
  return `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { ports: [{ name: main, port: 80, ${protocol} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: default, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: main, port: ${port}, protocol: ${transport} }]
endpoints: [{ addresses: [${LOOPBACK}] }]
`;
};

/** What a gateway does that has these manifests; they must be without a problem. */
export const snapshotOf = (manifests: readonly string[], self: Partial<ProxyNode> = {}): Snapshot => {
  const { resources, problems } = parseManifests([CLASS, ...manifests].join('\n---\n'), { file: 'test' });
  assert.deepEqual(problems.map(formatManifestProblem), []);
  const compiler = openCompiler({ trustDomain: TRUST_DOMAIN });
  const gatewayAddresses = [{ address: LOOPBACK }];
  const compiled = compiler.compile(
    resources.map(({ resource }) => resource),
    { revision: 1, nowMs: 0, gatewayAddresses },
  );
  assert.deepEqual(compiled.problems, []);
  return compiler.snapshotFor(
    compiled.mesh,
    proxyNode({ role: 'gateway', name: 'edge', bindAddress: LOOPBACK, ...self }),
  );
};

export interface GatewayEngine {
  /** Of Weft's own proxy. */
  readonly events: readonly TrafficEvent[];
  close(): Promise<void>;
}

const openWeft = async (snapshot: Snapshot): Promise<GatewayEngine> => {
  const events: TrafficEvent[] = [];
  const node = proxyNode({ role: 'gateway', name: 'edge' });
  const onEvent = (event: TrafficEvent) => events.push(event);
  const proxy = openProxy({ node, onEvent, clock: systemClock, random: systemRandom, log: silentLog });
  assert.deepEqual(await proxy.apply(snapshot), []);
  return { events, close: () => proxy.close() };
};

const openRealEnvoy = async (snapshot: Snapshot): Promise<GatewayEngine> => {
  const plane = await openXdsPlane({ services: [new AccessLogs().service] });
  plane.feed.publish(snapshot);
  const node = proxyNode({ engine: 'envoy' });
  const svid = plane.svid('shop', 'reviews');
  const envoy = await startEnvoy({ node, xds: plane.mutual, svid, protocol: 'DELTA_GRPC' });
  const close = async () => {
    await envoy.close();
    await plane.close();
  };
  try {
    await envoy.until('all listeners', async () => {
      const stats = await envoy.admin('/stats?filter=^listener_manager.(workers_started|total_listeners_active)$');
      return stats.includes('workers_started: 1') && stats.includes(`active: ${snapshot.listeners.size}`);
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { events: [], close };
};

/** Serves the manifests; returns when every listener is open. */
export const startGateway = (
  engine: EngineName,
  manifests: readonly string[],
  self: Partial<ProxyNode> = {},
): Promise<GatewayEngine> => startSnapshot(engine, snapshotOf(manifests, self));

export const startSnapshot = (engine: EngineName, snapshot: Snapshot): Promise<GatewayEngine> =>
  (engine === 'weft' ? openWeft : openRealEnvoy)(snapshot);

export const freePorts = async (count: number): Promise<number[]> => {
  const held = await Promise.all(Array.from({ length: count }, () => holdFreePort(LOOPBACK)));
  await Promise.all(held.map((one) => one.release()));
  return held.map(({ port }) => port);
};
