// What a new mesh starts with: its namespaces, the class of its gateways, and a closed door. Called by control.ts.
import { randomUUID } from 'node:crypto';
import { findKind } from '../kinds/registry.ts';
import { type Clock, timestampOf } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Resource } from '../model/resource.ts';
import { type Store, storeKey } from '../store/store.ts';

/** The store's key of a resource; undefined for a kind that Weft doesn't know. */
export const keyOf = ({ apiVersion, kind: name, metadata }: Resource): string | undefined => {
  const kind = findKind(apiVersion, name);
  return (
    kind && storeKey(kind.group, kind.plural, kind.namespaced ? (metadata.namespace ?? 'default') : '', metadata.name)
  );
};

/** The metadata that the API gives to what it creates. */
export const newMetadata = (clock: Clock) => ({
  uid: randomUUID(),
  generation: 1,
  creationTimestamp: timestampOf(clock.now()),
});

/** Puts a resource that does not exist yet; true when this call created it. */
export const create = async (store: Store, clock: Clock, resource: Resource): Promise<boolean> => {
  const key = keyOf(resource);
  if (!key) return false;
  const metadata = { ...resource.metadata, ...newMetadata(clock) };
  try {
    await store.put(key, { ...resource, metadata }, { expected: 0 });
    return true;
  } catch (error) {
    if (isWeftError(error, 'STORE_CONFLICT')) return false;
    throw error;
  }
};

const namespace = (name: string): Resource => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
  spec: { finalizers: [] },
  status: { phase: 'Active' },
});

const foundation = (rootNamespace: string): Resource[] => [
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'default', namespace: rootNamespace },
    spec: { mtls: { mode: 'STRICT' } },
  },
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'default-deny', namespace: rootNamespace },
    spec: {},
  },
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: 'weft' },
    spec: { controllerName: 'weft.dev/gateway-controller', description: "Weft's own gateway" },
  },
  namespace('default'),
  // Last: its presence says that all of this is done, so that what a user deletes later stays deleted.
  namespace(rootNamespace),
];

/** On the first start only. A start that was cut short goes on where it stopped. */
export const bootstrap = async (store: Store, clock: Clock, rootNamespace: string): Promise<void> => {
  if (await store.get(storeKey('', 'namespaces', '', rootNamespace))) return;
  for (const resource of foundation(rootNamespace)) await create(store, clock, resource);
};

/** Every namespace has a service account `default`, as in Kubernetes. */
export const createDefaultAccount = (store: Store, clock: Clock, name: string): Promise<boolean> =>
  create(store, clock, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: name } });
