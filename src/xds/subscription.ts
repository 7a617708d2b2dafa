// What one client wants of one type and what it already has; works out what must be sent. Used by stream.ts.
import { differenceOf } from '../lib/lists.ts';
import type { EncodedResource, ResourceSet } from './form.ts';

/** What a client has of a resource; the bytes only where a full-state answer may have to repeat them. */
type Held = Pick<EncodedResource, 'version'> & Partial<EncodedResource>;

export interface Difference {
  readonly upserts: readonly EncodedResource[];
  readonly removals: readonly string[];
}

const NO_DIFFERENCE: Difference = { upserts: [], removals: [] };

/** Stands for an answer without a resource. */
const NOTHING = '';

export interface Refusal {
  readonly version: string;
  readonly message: string;
  readonly at: number;
}

/** A client that asks for more names of one type is refused: every list is bounded. */
export const MAX_NAMES = 100_000;

export class Subscription {
  readonly typeUrl: string;
  /** True when everything of the type is wanted. */
  wildcard = false;
  readonly names = new Set<string>();
  /** The nonce of the answer that the client has not yet acknowledged. */
  outstanding: string | undefined;
  /** The nonce of the last answer. */
  lastNonce = '';
  /** True while an answer to a new or changed subscription is due. */
  owed = false;
  answered = false;
  sentVersion = '';
  ackedVersion = '';
  /** What the last answer said. */
  #inFlight: readonly string[] = [];
  /** By name: what the client lacks since it refused an answer with it. */
  readonly #refused = new Map<string, Refusal>();
  readonly #held = new Map<string, Held>();
  /** Asked for since the last answer: answered even where nothing changed or nothing is there. */
  readonly #asked = new Set<string>();
  /** All that the client has, and no more; unknown where it lacks a part of the last set. */
  #synced: ResourceSet | undefined;
  /** What was worked out last, and of which set. */
  #last: { readonly set: ResourceSet; readonly difference: Difference } | undefined;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  /** The last of those that still hold. */
  get refusal(): Refusal | undefined {
    return [...this.#refused.values()].reduce<Refusal | undefined>(
      (last, one) => (last && last.at > one.at ? last : one),
      undefined,
    );
  }

  /** In the client's words, each once. */
  get refusals(): string[] {
    return [...new Set([...this.#refused.values()].map(({ message }) => message))];
  }

  get size(): number {
    return this.#held.size;
  }

  /** State of the world: the full list of names; empty means everything unless the type goes by name. */
  setNames(names: readonly string[], byName: boolean): void {
    const wildcard = names.includes('*') || (names.length === 0 && !byName);
    const wanted = new Set(names);
    wanted.delete('*');
    if (wildcard && !this.wildcard) this.owed = true;
    for (const name of this.names) {
      if (!wanted.has(name)) this.#drop(name, wildcard);
    }
    for (const name of wanted) {
      if (!this.names.has(name)) this.#ask(name);
    }
    this.wildcard = wildcard;
  }

  /** Incremental: names that come and go. The first request without any means everything unless the type goes by name. */
  change(subscribe: readonly string[], unsubscribe: readonly string[], first: boolean, byName: boolean): void {
    if (subscribe.includes('*') || (first && subscribe.length === 0 && !byName)) {
      this.wildcard = true;
      this.owed = true;
    }
    if (unsubscribe.includes('*')) this.wildcard = false;
    for (const name of subscribe) {
      if (name === '*') continue;
      this.#ask(name);
      // A client that comes back names what it still has: only what changed meanwhile is news.
      if (first && this.#held.has(name)) this.#asked.delete(name);
    }
    for (const name of unsubscribe) if (name !== '*') this.#drop(name, this.wildcard);
  }

  /** What the client says it still has from an earlier stream. */
  resume(versions: ReadonlyMap<string, string>): void {
    this.#synced = undefined;
    for (const [name, version] of versions) this.#held.set(name, { version });
  }

  #ask(name: string): void {
    this.names.add(name);
    this.#asked.add(name);
    this.owed = true;
  }

  #drop(name: string, stillWanted: boolean): void {
    this.names.delete(name);
    this.#asked.delete(name);
    if (!stillWanted) this.#lose(name);
  }

  /** Makes the next answer repeat a resource that the client has. */
  repeat(name: string): void {
    if (this.names.has(name) || this.wildcard) this.#lose(name);
  }

  #lose(name: string): void {
    this.#held.delete(name);
    this.#synced = undefined;
  }

  /** Makes the next push repeat everything: what was refused may be possible now. */
  repeatAll(): void {
    this.#synced = undefined;
    for (const [name, held] of this.#held) this.#held.set(name, { ...held, version: '' });
  }

  #wants(name: string): boolean {
    return this.wildcard || this.names.has(name);
  }

  /** What the client lacks or has too much, compared with `set`. */
  difference(set: ResourceSet): Difference {
    const synced = this.wildcard && this.#asked.size === 0 ? this.#synced : undefined;
    const difference = (synced && this.#since(synced, set)) ?? this.#compare(set);
    if (difference.upserts.length + difference.removals.length === 0) this.#sync(set);
    this.#last = { set, difference };
    return difference;
  }

  #sync(set: ResourceSet | undefined): void {
    this.#synced = this.wildcard ? set : undefined;
  }

  /** Between two sets of which the client has the first; undefined where they don't say what changed. */
  #since(before: ResourceSet, set: ResourceSet): Difference | undefined {
    if (before === set) return NO_DIFFERENCE;
    if (!before.lists || before.lists.length !== set.lists?.length) return undefined;
    const [gone, come] = [new Set<string>(), new Map<string, EncodedResource>()];
    for (const [i, list] of set.lists.entries()) {
      const changed = differenceOf(before.lists[i]!, list);
      for (const { name } of changed.gone) gone.add(name);
      for (const resource of changed.come) come.set(resource.name, resource);
    }
    return {
      upserts: [...come.values()].filter(({ name, version }) => this.#held.get(name)?.version !== version),
      removals: [...gone].filter((name) => !come.has(name)),
    };
  }

  #compare(set: ResourceSet): Difference {
    const upserts: EncodedResource[] = [];
    const removals: string[] = [];
    const consider = (resource: EncodedResource | undefined) => {
      if (resource && this.#held.get(resource.name)?.version !== resource.version) upserts.push(resource);
    };
    if (this.wildcard) for (const resource of set.values()) consider(resource);
    else for (const name of this.names) consider(set.get(name));
    for (const name of this.#held.keys()) if (!set.has(name) || !this.#wants(name)) removals.push(name);
    for (const name of this.#asked) {
      const [resource, held] = [set.get(name), this.#held.get(name)];
      // Asked for again by name: the client wants to see it, changed or not.
      if (resource && held?.version === resource.version) upserts.push(resource);
      if (!resource && !held) removals.push(name);
    }
    return { upserts, removals };
  }

  /** Everything that a full-state answer must hold: what is wanted, and what is held back from removal. */
  fullState(set: ResourceSet, keepRemoved: boolean): EncodedResource[] {
    const all = this.wildcard
      ? [...set.values()]
      : [...this.names].map((name) => set.get(name)).filter((resource) => resource !== undefined);
    if (!keepRemoved) return all;
    for (const [name, held] of this.#held) {
      if (!set.has(name) && held.any) all.push(held as EncodedResource);
    }
    return all;
  }

  /** True for a name that the client was sent before. */
  has(name: string): boolean {
    return this.#held.has(name);
  }

  /** Notes what goes out now. */
  sent(difference: Difference, version: string, nonce: string): void {
    for (const resource of difference.upserts) this.#held.set(resource.name, resource);
    for (const name of difference.removals) this.#held.delete(name);
    const { set, difference: whole } = this.#last ?? {};
    // Removals may be held back.
    this.#sync(whole?.upserts === difference.upserts && whole.removals === difference.removals ? set : undefined);
    this.#last = undefined;
    this.#inFlight = [...difference.upserts.map(({ name }) => name), ...difference.removals];
    this.#asked.clear();
    this.owed = false;
    this.answered = true;
    this.outstanding = nonce;
    this.lastNonce = nonce;
    this.sentVersion = version;
  }

  /** Notes what is gone where there is no way to say so. */
  forget(names: readonly string[]): void {
    for (const name of names) this.#lose(name);
  }

  /** The client's answer to `nonce`; `stale` when it is about an older message than the last. */
  acknowledge(nonce: string, error: string | undefined, at: number): 'answered' | 'repeated' | 'stale' {
    if (nonce !== this.lastNonce) return 'stale';
    if (this.outstanding === undefined) return 'repeated';
    this.outstanding = undefined;
    if (error === undefined) {
      this.ackedVersion = this.sentVersion;
      // Of a difference: what was refused before and is not in it is still refused.
      for (const name of this.#inFlight) this.#refused.delete(name);
      this.#refused.delete(NOTHING);
    } else {
      const refusal = { version: this.sentVersion, message: error, at };
      for (const name of this.#inFlight.length > 0 ? this.#inFlight : [NOTHING]) this.#refused.set(name, refusal);
    }
    this.#inFlight = [];
    return 'answered';
  }
}
