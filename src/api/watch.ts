// Watches: a stream of events, one JSON object per line, without gap or duplicate. Slow readers are cut off.
import type { ServerResponse } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Random } from '../lib/random.ts';
import type { Resource } from '../model/resource.ts';
import type { Store, StoreEntry, StoreEvent } from '../store/store.ts';
import { listObjects, parseSelection, prefixOf, type Scope } from './lists.ts';
import { parseRevision, type Query } from './request.ts';
import type { Matcher } from './selectors.ts';
import { badRequest, statusOf } from './status.ts';
import { toWire } from './wire.ts';

export interface WatchContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** How an object is shown: itself, or as a table of one row. */
  readonly render: (resource: Resource, first: boolean) => unknown;
  /** Registers how to end this watch when the API closes; answers how to forget it. */
  readonly track: (end: () => void) => () => void;
  readonly maxBufferBytes: number;
  readonly bookmarkMs: number;
}

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

const MIN_WATCH_MS = 30 * 60_000;

export const watchObjects = async (
  context: WatchContext,
  scope: Scope,
  query: Query,
  res: ServerResponse,
): Promise<void> => {
  const watch = new Watch(context, scope, query, res);
  await watch.start();
};

/** What an event means to one who sees only what the selector takes. */
const typeFor = (event: StoreEvent, matches: Matcher | undefined): EventType | undefined => {
  const before = event.previous !== undefined && (matches?.(event.previous) ?? true);
  const now = event.type === 'put' && (matches?.(event.value) ?? true);
  if (now) return before ? 'MODIFIED' : 'ADDED';
  return before ? 'DELETED' : undefined;
};

class Watch {
  readonly #context: WatchContext;
  readonly #scope: Scope;
  readonly #query: Query;
  readonly #res: ServerResponse;
  readonly #matches: Matcher | undefined;
  readonly #ends: (() => void)[] = [];
  #first = true;
  #ended = false;
  #revision = 0;
  #caughtUp = false;

  constructor(context: WatchContext, scope: Scope, query: Query, res: ServerResponse) {
    this.#context = context;
    this.#scope = scope;
    this.#query = query;
    this.#res = res;
    this.#matches = parseSelection(scope.kind, query).matches;
  }

  async start(): Promise<void> {
    const { sendInitialEvents, resourceVersion, resourceVersionMatch, allowWatchBookmarks } = this.#query;
    if (sendInitialEvents && (resourceVersionMatch !== 'NotOlderThan' || !allowWatchBookmarks)) {
      throw badRequest('sendInitialEvents needs resourceVersionMatch=NotOlderThan and allowWatchBookmarks=true');
    }
    if (!sendInitialEvents && resourceVersionMatch !== undefined) {
      throw badRequest('resourceVersionMatch is forbidden for a watch unless sendInitialEvents is true');
    }
    const from = resourceVersion === undefined ? 0 : parseRevision(resourceVersion);
    const initial = sendInitialEvents || from === 0 ? await this.#list() : undefined;
    this.#res.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    this.#res.flushHeaders();
    this.#res.socket?.setTimeout(0);
    this.#res.once('close', () => this.#end());
    this.#ends.push(this.#context.track(() => this.#end()));
    this.#revision = initial?.revision ?? from;
    for (const entry of initial?.entries ?? []) this.#send('ADDED', toWire(this.#scope.kind, entry));
    if (sendInitialEvents) this.#bookmark({ 'k8s.io/initial-events-end': 'true' });
    this.#follow();
  }

  async #list(): Promise<{ entries: readonly StoreEntry[]; revision: number }> {
    const { resourceVersionMatch: _, ...query } = this.#query;
    const unpaged = {
      ...query,
      resourceVersionMatch: undefined,
      sendInitialEvents: false,
      limit: undefined,
      continueToken: undefined,
    };
    return listObjects(this.#context.store, this.#scope, unpaged);
  }

  #follow(): void {
    const { store, clock, random } = this.#context;
    if (this.#ended) return;
    if (this.#revision > store.revision()) {
      // Still to come, so counted by another store: only a new list can help.
      this.#gone(`resourceVersion ${this.#revision} is not of this store`);
      return;
    }
    try {
      const caughtUp = () => {
        this.#caughtUp = true;
      };
      this.#ends.push(store.watch(prefixOf(this.#scope), this.#revision, (events) => this.#forward(events), caughtUp));
    } catch (error) {
      if (!isWeftError(error, 'STORE_GONE')) throw error;
      this.#gone(`too old resource version: ${this.#revision} (${store.compacted()})`);
      return;
    }
    const seconds = this.#query.timeoutSeconds;
    const lifetimeMs = seconds === undefined ? MIN_WATCH_MS * (1 + random.next()) : seconds * 1000;
    const timer = clock.after(lifetimeMs, () => this.#end());
    this.#ends.push(() => timer.cancel());
    if (!this.#query.allowWatchBookmarks) return;
    const bookmarks = clock.every(this.#context.bookmarkMs, () => this.#bookmark());
    this.#ends.push(() => bookmarks.cancel());
  }

  #forward(events: readonly StoreEvent[]): void {
    for (const event of events) {
      const type = typeFor(event, this.#matches);
      if (type) this.#send(type, toWire(this.#scope.kind, event));
    }
  }

  #bookmark(annotations?: Record<string, string>): void {
    const { kind } = this.#scope;
    if (this.#caughtUp) this.#revision = Math.max(this.#revision, this.#context.store.revision());
    const metadata = {
      resourceVersion: String(this.#revision),
      creationTimestamp: null,
      ...(annotations ? { annotations } : {}),
    };
    const object = { apiVersion: kind.apiVersion, kind: kind.kind, metadata };
    this.#write({ type: 'BOOKMARK', object: this.#context.render(object as unknown as Resource, this.#first) });
    this.#first = false;
  }

  #send(type: EventType, object: Resource): void {
    this.#revision = Math.max(this.#revision, Number(object.metadata.resourceVersion));
    this.#write({ type, object: this.#context.render(object, this.#first) });
    this.#first = false;
  }

  #gone(message: string): void {
    this.#write({ type: 'ERROR', object: { ...statusOf(undefined), message, reason: 'Expired', code: 410 } });
    this.#end();
  }

  #write(event: { type: EventType; object: unknown }): void {
    if (this.#ended) return;
    this.#res.write(`${JSON.stringify(event)}\n`);
    if (this.#res.writableLength <= this.#context.maxBufferBytes) return;
    this.#end();
    this.#res.destroy();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const end of this.#ends) end();
    this.#res.end();
  }
}
