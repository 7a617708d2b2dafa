// Namespaces as containers: what is created needs one that exists, and deleting one deletes its content.

import { isDeepStrictEqual } from 'node:util';
import type { Kind } from '../kinds/kind.ts';
import { type Clock, timestampOf } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Condition, Resource } from '../model/resource.ts';
import { type Store, type StoreEntry, storeKey } from '../store/store.ts';
import { markDeleted, withDeletion } from './deletion.ts';
import { forbidden, notFound, type Subject } from './status.ts';

const SUBJECT = { group: '', plural: 'namespaces', kind: 'Namespace' };
const PROTECTED = new Set(['default', 'weft-system']);
const PAGE = 200;
const MAX_TRIES = 10;

const namespaceKey = (name: string): string => storeKey('', 'namespaces', '', name);

/** What the namespace itself waits for: that its content is gone. */
export const KUBERNETES = 'kubernetes';

interface NamespaceParts {
  readonly spec?: { readonly finalizers?: readonly string[] };
  readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

const specFinalizers = (resource: Resource): readonly string[] => (resource as NamespaceParts).spec?.finalizers ?? [];

const withSpecFinalizers = (resource: Resource, finalizers: readonly string[]): Resource => ({
  ...resource,
  spec: { ...(resource.spec as object | undefined), finalizers },
});

/** What is left of a namespace's content, by kind and by what it waits for. */
interface Remains {
  readonly kinds: Map<string, number>;
  readonly finalizers: Map<string, number>;
}

const count = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1);
};

const listed = (counts: Map<string, number>, what: string): string =>
  [...counts].map(([name, n]) => `${name} ${what} ${n} resource instances`).join(', ');

export class Namespaces {
  readonly #store: Store;
  readonly #kinds: readonly Kind[];
  readonly #clock: Clock;
  /** Creations under way, by namespace: a deletion waits for those that came before it. */
  readonly #creating = new Map<string, Set<Promise<unknown>>>();

  /** Of a namespace, the run of its deletion, and the one after it. */
  readonly #runs = new Map<string, Promise<void>>();
  readonly #nextRuns = new Map<string, Promise<void>>();

  constructor(store: Store, kinds: readonly Kind[], clock: Clock) {
    this.#store = store;
    this.#kinds = kinds.filter((kind) => kind.namespaced);
    this.#clock = clock;
  }

  /** Runs a creation inside a namespace, which must be there and must not be on its way out. */
  async createIn<T>(what: Subject, name: string, create: () => Promise<T>): Promise<T> {
    const running = this.#checkOpen(what, name).then(create);
    const others = this.#creating.get(name) ?? new Set();
    this.#creating.set(name, others.add(running));
    try {
      return await running;
    } finally {
      others.delete(running);
      if (others.size === 0 && this.#creating.get(name) === others) this.#creating.delete(name);
    }
  }

  async #checkOpen(what: Subject, name: string): Promise<void> {
    const entry = await this.#store.get(namespaceKey(name));
    if (!entry) throw notFound(SUBJECT, name, `create it first, for example: kubectl create namespace ${name}`);
    if (entry.value.metadata.deletionTimestamp) {
      const text = `unable to create new content in namespace ${name} because it is being terminated`;
      throw forbidden(`${what.plural}${what.group && `.${what.group}`} is forbidden: ${text}`, {
        group: what.group,
        kind: what.plural,
        causes: [
          {
            reason: 'NamespaceTerminating',
            message: `namespace ${name} is being terminated`,
            field: 'metadata.namespace',
          },
        ],
      });
    }
  }

  checkDeletable(name: string): void {
    if (PROTECTED.has(name)) {
      throw forbidden(`namespaces "${name}" is forbidden: this namespace may not be deleted`, {
        name,
        kind: 'namespaces',
      });
    }
  }

  /** Marks the namespace, deletes what is in it, then itself. What has finalizers holds it back. */
  async terminate(entry: StoreEntry): Promise<StoreEntry> {
    const { name } = entry.value.metadata;
    const { finalizers = [] } = entry.value.metadata;
    let marked = entry;
    if (!entry.value.metadata.deletionTimestamp) {
      const deleted = markDeleted(entry.value, this.#clock);
      const status = { ...(deleted.status as object | undefined), phase: 'Terminating' };
      const own = [...new Set([...specFinalizers(deleted), KUBERNETES])];
      const value = { ...withSpecFinalizers(deleted, own), status, metadata: { ...deleted.metadata, finalizers } };
      marked = await this.#store.put(entry.key, value, { expected: entry.revision });
    }
    await Promise.allSettled([...(this.#creating.get(name) ?? [])]);
    await this.finish(name);
    return marked;
  }

  /** Goes on with a deletion; called again when something that held it back is gone. Calls during a run share the next one. */
  finish(name: string): Promise<void> {
    const waiting = this.#nextRuns.get(name);
    if (waiting) return waiting;
    const run = this.#runAfter(name, this.#runs.get(name));
    this.#nextRuns.set(name, run);
    return run;
  }

  async #runAfter(name: string, before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => {});
    const run = this.#nextRuns.get(name)!;
    this.#nextRuns.delete(name);
    this.#runs.set(name, run);
    try {
      await this.#finish(name);
    } finally {
      if (this.#runs.get(name) === run) this.#runs.delete(name);
    }
  }

  async #finish(name: string): Promise<void> {
    const key = namespaceKey(name);
    if (!(await this.#store.get(key))?.value.metadata.deletionTimestamp) return;
    const remains: Remains = { kinds: new Map(), finalizers: new Map() };
    for (const kind of this.#kinds) await this.#empty(kind, name, remains);
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const entry = await this.#store.get(key);
      if (!entry?.value.metadata.deletionTimestamp) return;
      try {
        await this.#settle(entry, remains);
        return;
      } catch (error) {
        if (!isWeftError(error, 'STORE_CONFLICT')) throw error;
      }
    }
  }

  /** Lets it go when nothing is left that it waits for, and says what it waits for otherwise. */
  async #settle(entry: StoreEntry, remains: Remains): Promise<void> {
    const isEmpty = remains.kinds.size === 0;
    const waits = specFinalizers(entry.value).filter((finalizer) => !isEmpty || finalizer !== KUBERNETES);
    const expected = { expected: entry.revision };
    if (waits.length === 0 && (entry.value.metadata.finalizers ?? []).length === 0) {
      await this.#store.delete(entry.key, expected);
      return;
    }
    const value = withSpecFinalizers(this.#withConditions(entry.value, remains), waits);
    if (!isDeepStrictEqual(value, entry.value)) await this.#store.put(entry.key, value, expected);
  }

  #withConditions(value: Resource, remains: Remains): Resource {
    const { status = {} } = value as NamespaceParts;
    const holds = (type: string, counts: Map<string, number>, what: string, [yes, no]: readonly [string, string]) => {
      const before = status.conditions?.find((condition) => condition.type === type);
      const isTrue = counts.size > 0;
      const said = {
        type,
        status: isTrue ? ('True' as const) : ('False' as const),
        reason: isTrue ? yes : no,
        message: isTrue ? what : 'All content is gone',
      };
      const lastTransitionTime =
        before?.status === said.status ? before.lastTransitionTime : timestampOf(this.#clock.now());
      return { ...said, lastTransitionTime };
    };
    const content = `Some resources are remaining: ${listed(remains.kinds, 'has')}`;
    const finalizers = `Some content in the namespace has finalizers remaining: ${listed(remains.finalizers, 'in')}`;
    const conditions = [
      holds('NamespaceContentRemaining', remains.kinds, content, ['SomeResourcesRemain', 'ContentRemoved']),
      holds('NamespaceFinalizersRemaining', remains.finalizers, finalizers, [
        'SomeFinalizersRemain',
        'ContentHasNoFinalizers',
      ]),
    ];
    return { ...value, status: { ...status, conditions } };
  }

  /** Takes up deletions that an earlier process left half done. */
  async resume(): Promise<void> {
    const { entries } = await this.#store.list(storeKey('', 'namespaces', '', ''));
    for (const entry of entries)
      if (entry.value.metadata.deletionTimestamp) await this.finish(entry.value.metadata.name);
  }

  /** Deletes what it can, and counts what finalizers keep there. */
  async #empty(kind: Kind, namespace: string, remains: Remains): Promise<void> {
    let after: string | undefined;
    do {
      const page = await this.#store.list(storeKey(kind.group, kind.plural, namespace, ''), {
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      });
      const held = await Promise.all(page.entries.map((entry) => this.#remove(entry)));
      for (const finalizers of held.filter((found) => found.length > 0)) {
        count(remains.kinds, kind.group ? `${kind.plural}.${kind.group}` : kind.plural);
        for (const finalizer of finalizers) count(remains.finalizers, finalizer);
      }
      after = page.next;
    } while (after !== undefined);
  }

  /** Answers the finalizers that it waits for now; none when it is gone. */
  async #remove(entry: StoreEntry): Promise<readonly string[]> {
    const waiting = withDeletion(entry.value, this.#clock);
    try {
      if (!waiting) await this.#store.delete(entry.key, { expected: entry.revision });
      else if (waiting !== entry.value) await this.#store.put(entry.key, waiting, { expected: entry.revision });
      return waiting?.metadata.finalizers ?? [];
    } catch (error) {
      if (!isWeftError(error, 'STORE_CONFLICT')) throw error;
      const present = await this.#store.get(entry.key);
      return present ? this.#remove(present) : [];
    }
  }
}
