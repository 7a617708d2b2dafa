// Keeps what the API has of one kind, and tells of changes. Used by the parts of the cluster.
import type { Client, ResourceType } from '../../../src/client/client.ts';
import { isWeftError } from '../../../src/lib/errors.ts';
import type { Resource } from '../../../src/model/resource.ts';

export interface Mirror {
  /** By `namespace/name`; without those that are being deleted. */
  readonly items: ReadonlyMap<string, Resource>;
  /** Resolves with the first list. */
  readonly ready: Promise<void>;
}

export const keyOf = ({ metadata }: Resource): string => `${metadata.namespace ?? ''}/${metadata.name}`;

export const openMirror = (
  client: Client,
  type: ResourceType,
  { signal, onChange }: { signal: AbortSignal; onChange: () => void },
): Mirror => {
  const items = new Map<string, Resource>();
  const ready = Promise.withResolvers<void>();
  const take = (resource: Resource, gone: boolean) => {
    if (gone || resource.metadata.deletionTimestamp) items.delete(keyOf(resource));
    else items.set(keyOf(resource), resource);
  };
  const follow = async () => {
    for await (const change of client.watch(type, {}, { signal })) {
      if (change.type === 'LIST') {
        items.clear();
        for (const resource of change.list.items) take(resource, false);
        ready.resolve();
      } else take(change.object, change.type === 'DELETED');
      onChange();
    }
  };
  follow().catch((error) => {
    if (!signal.aborted) console.error(`the watch of ${type.plural} ended:`, error);
  });
  return { items, ready: ready.promise };
};

/** For calls about what may be gone, or there, by now. */
export const unless = async <T>(code: 'API_NOT_FOUND' | 'API_EXISTS', call: Promise<T>): Promise<T | undefined> => {
  try {
    return await call;
  } catch (error) {
    if (isWeftError(error, code)) return undefined;
    throw error;
  }
};

/** Runs again after each change; never twice at once. */
export const openLoop = (run: () => Promise<void>): (() => void) => {
  let wanted = false;
  let running = false;
  const turn = async () => {
    running = true;
    while (wanted) {
      wanted = false;
      await run().catch((error) => console.error('a loop of the cluster failed:', error));
    }
    running = false;
  };
  return () => {
    wanted = true;
    if (!running) void turn();
  };
};
