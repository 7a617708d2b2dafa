// Lists: at a revision, in pages, filtered by selectors.
import type { Resource } from '../model/resource.ts';
import { type Store, type StoreEntry, storeKey } from '../store/store.ts';
import { isObject } from './body.ts';
import type { ServedKind } from './kind-index.ts';
import { parseRevision, type Query } from './request.ts';
import { type Matcher, parseFieldSelector, parseLabelSelector } from './selectors.ts';
import { ApiError, badRequest } from './status.ts';
import type { ListMeta } from './wire.ts';

export interface Scope {
  readonly kind: ServedKind;
  readonly namespace: string | undefined;
}

export interface Listed {
  readonly entries: readonly StoreEntry[];
  readonly revision: number;
  readonly metadata: ListMeta;
}

export interface Selection {
  /** Undefined when everything is wanted. */
  readonly matches: Matcher | undefined;
  /** Set when the one object of this name is wanted. */
  readonly name?: string;
}

export const prefixOf = ({ kind, namespace }: Scope): string => {
  if (kind.definition.namespaced && namespace === undefined)
    return storeKey(kind.group, kind.plural, '', '').slice(0, -1);
  return storeKey(kind.group, kind.plural, namespace ?? '', '');
};

export const parseSelection = (kind: ServedKind, query: Query): Selection => {
  const labels = parseLabelSelector(query.labelSelector);
  const fields = parseFieldSelector(query.fieldSelector, kind.group === '' && kind.kind === 'Secret' ? ['type'] : []);
  const tests = [labels, fields?.matches].filter((test) => test !== undefined);
  const matches = tests.length === 0 ? undefined : (resource: Resource) => tests.every((test) => test(resource));
  return fields?.name === undefined ? { matches } : { matches, name: fields.name };
};

interface Start {
  readonly revision: number | undefined;
  readonly after?: string;
}

const encodeContinue = (revision: number, after: string): string =>
  Buffer.from(JSON.stringify({ v: 1, rv: revision, after })).toString('base64url');

const decodeContinue = (token: string, prefix: string): Start => {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (
      isObject(value) &&
      Number.isSafeInteger(value.rv) &&
      typeof value.after === 'string' &&
      value.after.startsWith(prefix)
    ) {
      return { revision: value.rv as number, after: value.after };
    }
  } catch {
    // Said below.
  }
  throw badRequest('the continue token is not one of this list; list again from the beginning');
};

const futureError = (wanted: number, current: number): ApiError =>
  new ApiError(504, 'Timeout', `Too large resource version: ${wanted}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version', field: '' }],
    retryAfterSeconds: 1,
  });

/** Where a list starts: a page goes on at its own revision, `Exact` at the given one, all else now. */
const startOf = (store: Store, query: Query, prefix: string): Start => {
  const { continueToken, resourceVersion, resourceVersionMatch: match } = query;
  if (match !== undefined && match !== 'Exact' && match !== 'NotOlderThan') {
    throw badRequest(`resourceVersionMatch must be Exact or NotOlderThan, not "${match}"`);
  }
  if (query.sendInitialEvents) throw badRequest('sendInitialEvents is for watches; a list has what is there anyway');
  if (continueToken !== undefined) {
    if (resourceVersion !== undefined && resourceVersion !== '0') {
      throw badRequest('resourceVersion is not allowed with continue, which has its own');
    }
    return decodeContinue(continueToken, prefix);
  }
  if (resourceVersion === undefined) {
    if (match !== undefined) throw badRequest('resourceVersionMatch is forbidden unless resourceVersion is provided');
    return { revision: undefined };
  }
  const wanted = parseRevision(resourceVersion);
  if (wanted > store.revision()) throw futureError(wanted, store.revision());
  if (match === 'Exact') {
    if (wanted === 0) throw badRequest('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
    return { revision: wanted };
  }
  return { revision: undefined };
};

export const listObjects = async (store: Store, scope: Scope, query: Query): Promise<Listed> => {
  const prefix = prefixOf(scope);
  const { matches, name } = parseSelection(scope.kind, query);
  const start = startOf(store, query, prefix);
  if (
    name !== undefined &&
    (scope.namespace !== undefined || !scope.kind.definition.namespaced) &&
    start.revision === undefined
  ) {
    return listOne(store, `${prefix}${name}`, matches!);
  }
  const limit = query.limit;
  const entries: StoreEntry[] = [];
  let { revision, after } = start;
  for (;;) {
    const page = await store.list(prefix, {
      ...(revision === undefined ? {} : { revision }),
      ...(after === undefined ? {} : { after }),
      ...(limit === undefined ? {} : { limit: limit - entries.length }),
    });
    revision = page.revision;
    entries.push(...(matches ? page.entries.filter((entry) => matches(entry.value)) : page.entries));
    after = page.next;
    if (after === undefined) return { entries, revision, metadata: { resourceVersion: String(revision) } };
    if (limit !== undefined && entries.length >= limit) {
      const metadata = { resourceVersion: String(revision), continue: encodeContinue(revision, after) };
      const remaining = matches || page.remaining === undefined ? {} : { remainingItemCount: page.remaining };
      return { entries, revision, metadata: { ...metadata, ...remaining } };
    }
  }
};

const listOne = async (store: Store, key: string, matches: Matcher): Promise<Listed> => {
  // Before the read: a watch from here on must not miss what comes after it.
  const revision = store.revision();
  const entry = await store.get(key);
  const entries = entry && matches(entry.value) ? [entry] : [];
  return { entries, revision, metadata: { resourceVersion: String(Math.max(revision, entry?.revision ?? 0)) } };
};
