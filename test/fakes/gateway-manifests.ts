// Manifests of a gateway as the snapshot that its proxy gets: YAML → compile → snapshot, without the processes around it.
// For the tests that send the same traffic through both engines.
import assert from 'node:assert/strict';
import { openCompiler } from '../../src/compile/compiler.ts';
import { formatManifestProblem, parseManifests } from '../../src/kinds/yaml.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { proxyNode, TRUST_DOMAIN } from './xds-plane.ts';

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
export const snapshotOf = (manifests: readonly string[]): Snapshot => {
  const { resources, problems } = parseManifests([CLASS, ...manifests].join('\n---\n'), { file: 'test' });
  assert.deepEqual(problems.map(formatManifestProblem), []);
  const compiler = openCompiler({ trustDomain: TRUST_DOMAIN });
  const gatewayAddresses = [{ address: LOOPBACK }];
  const compiled = compiler.compile(
    resources.map(({ resource }) => resource),
    { revision: 1, nowMs: 0, gatewayAddresses },
  );
  assert.deepEqual(compiled.problems, []);
  return compiler.snapshotFor(compiled.mesh, proxyNode({ role: 'gateway', name: 'edge', bindAddress: LOOPBACK }));
};
