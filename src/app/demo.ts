// The demo: a small web shop, each program started the way a user would, by `weft run`.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyResource } from '../client/apply.ts';
import type { Client } from '../client/client.ts';
import { findKind } from '../kinds/registry.ts';
import { parseManifests } from '../kinds/yaml.ts';
import { WeftError } from '../lib/errors.ts';
import type { Resource } from '../model/resource.ts';

export interface DemoProgram {
  readonly service: string;
  readonly version: string;
  /** Relative to the shop's folder. */
  readonly file: string;
}

export const demoPrograms: readonly DemoProgram[] = [
  { service: 'front', version: 'v1', file: 'front.ts' },
  { service: 'catalogue', version: 'v1', file: 'catalogue.ts' },
  { service: 'reviews', version: 'v1', file: 'reviews.ts' },
  { service: 'reviews', version: 'v2', file: 'reviews.ts' },
  { service: 'orders', version: 'v1', file: 'orders.ts' },
  { service: 'payments', version: 'v1', file: 'payments.ts' },
];

/** The gateway that the demo's manifests describe. */
const demoGateway = { namespace: 'default', name: 'shop' };

export const demoDir = (): string => {
  const dir = join(import.meta.dirname, '..', '..', 'examples', 'shop');
  if (!existsSync(dir)) {
    throw new WeftError('DEMO_NOT_FOUND', `the demo is not at ${dir}`, { hint: 'start without it: weft up --no-demo' });
  }
  return dir;
};

/** The demo's resources; the gateway listens on `gatewayPort`. */
const demoResources = (gatewayPort: number): Resource[] => {
  const file = join(demoDir(), 'mesh.yaml');
  const { resources, problems } = parseManifests(readFileSync(file, 'utf8'), { file });
  const [problem] = problems;
  if (problem) throw new WeftError(problem.code, problem.message, { at: file });
  return resources.map(({ resource }) => (resource.kind === 'Gateway' ? withPort(resource, gatewayPort) : resource));
};

const withPort = (gateway: Resource, port: number): Resource => {
  const spec = gateway.spec as { listeners: readonly object[] };
  return { ...gateway, spec: { ...spec, listeners: spec.listeners.map((listener) => ({ ...listener, port })) } };
};

// Set on the namespace once the demo is in: what users change or delete afterwards stays as they left it.
const INSTALLED = 'weft.dev/demo';
const GATEWAY = findKind('gateway.networking.k8s.io/v1', 'Gateway')!;
const NAMESPACE = findKind('v1', 'Namespace')!;

/** Applies the demo's resources on the first start. */
export const installDemo = async (client: Client, gatewayPort: number): Promise<void> => {
  const { namespace } = demoGateway;
  const { metadata } = await client.get(NAMESPACE, namespace);
  if (metadata.annotations?.[INSTALLED]) return;
  for (const resource of demoResources(gatewayPort)) {
    await applyResource(client, findKind(resource.apiVersion, resource.kind)!, resource);
  }
  await client.patch(NAMESPACE, { name: namespace }, { metadata: { annotations: { [INSTALLED]: 'installed' } } });
};

/** Where the demo's gateway is reached, once it has an address; undefined when the user has deleted it. */
export const demoGatewayUrl = async (client: Client): Promise<string | undefined> => {
  const { items } = await client.list(GATEWAY, demoGateway);
  const spec = items[0]?.spec as { listeners?: readonly { port: number }[] } | undefined;
  const status = items[0]?.status as { addresses?: readonly { value: string }[] } | undefined;
  const port = spec?.listeners?.[0]?.port;
  return port === undefined ? undefined : `http://${status?.addresses?.[0]?.value ?? '127.0.0.1'}:${port}`;
};
