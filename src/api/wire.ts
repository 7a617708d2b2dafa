// How a stored resource looks on the wire, in the version that the caller uses.
import type { Resource } from '../model/resource.ts';
import type { StoreEntry } from '../store/store.ts';
import type { ServedKind } from './kind-index.ts';

const parseOr = (otherwise: unknown, text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return otherwise;
  }
};

/** The object as served: with the store's revision as its resourceVersion. */
export const toWire = (kind: ServedKind, entry: Pick<StoreEntry, 'value' | 'revision'>): Resource => {
  const { apiVersion: _, kind: __, metadata, ...rest } = entry.value;
  const { managedFields, ...known } = metadata;
  const versioned = { ...known, resourceVersion: String(entry.revision) };
  if (typeof managedFields === 'string') Object.assign(versioned, { managedFields: parseOr([], managedFields) });
  return { apiVersion: kind.apiVersion, kind: kind.kind, metadata: versioned, ...rest };
};

export const metadataOnly = (resource: Resource, version = 'v1') => ({
  kind: 'PartialObjectMetadata',
  apiVersion: `meta.k8s.io/${version}`,
  metadata: resource.metadata,
});

export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}
