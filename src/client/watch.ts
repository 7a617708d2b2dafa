// Follows a list over time: lists, watches from there, resumes after a break, lists again when the revision is gone.
import { type Clock, pause, systemClock } from '../lib/clock.ts';
import { isWeftError, WeftError } from '../lib/errors.ts';
import { ApiError, type ApiStatus, apiError } from './failure.ts';

export interface RawWatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/** What `followList` follows. */
export interface Followed<L> {
  list(): Promise<{ readonly list: L; readonly resourceVersion: string }>;
  watch(resourceVersion: string): Promise<AsyncIterable<unknown>>;
}

export type Change<L, O> =
  /** The whole list: at the start, and again whenever changes in between may have been missed. */
  { readonly type: 'LIST'; readonly list: L } | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: O };

export interface FollowOptions {
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock;
  /** Called when the connection broke, before it is tried again. */
  readonly onBreak?: (error: unknown) => void;
}

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

const versionOf = (object: unknown): string | undefined => {
  const { metadata, rows } = object as {
    metadata?: { resourceVersion?: string };
    rows?: { object?: { metadata?: { resourceVersion?: string } } }[];
  };
  // A Table has the revision of its row's object; its own metadata may carry it too.
  return rows?.[0]?.object?.metadata?.resourceVersion ?? metadata?.resourceVersion;
};

const isEvent = (value: unknown): value is RawWatchEvent =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'object' in value;

const isGone = (error: unknown): boolean => isWeftError(error, 'API_GONE');

const canRetry = (error: unknown): boolean =>
  error instanceof ApiError
    ? error.status >= 500 || error.status === 429
    : isWeftError(error, 'CLIENT_CONNECTION_LOST') ||
      isWeftError(error, 'CLIENT_UNREACHABLE') ||
      isWeftError(error, 'CLIENT_TIMEOUT');

/** The list, then every change; ends only by the signal, by its consumer, or with an error that can't pass by itself. */
export async function* followList<L, O>(
  source: Followed<L>,
  options: FollowOptions = {},
): AsyncGenerator<Change<L, O>> {
  const { signal, clock = systemClock } = options;
  let revision: string | undefined;
  let retryMs = FIRST_RETRY_MS;
  let wasListed = false;
  while (!signal?.aborted) {
    try {
      if (revision === undefined) {
        const { list, resourceVersion } = await source.list();
        revision = resourceVersion;
        wasListed = true;
        yield { type: 'LIST', list };
      }
      for await (const value of await source.watch(revision)) {
        if (!isEvent(value)) throw new WeftError('CLIENT_BAD_ANSWER', 'the API sent something else than a watch event');
        if (value.type === 'ERROR') {
          const status = value.object as ApiStatus;
          throw apiError(status.code ?? 500, status);
        }
        retryMs = FIRST_RETRY_MS;
        revision = versionOf(value.object) ?? revision;
        if (value.type === 'ADDED' || value.type === 'MODIFIED' || value.type === 'DELETED') {
          yield { type: value.type, object: value.object as O };
        }
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (isGone(error)) {
        revision = undefined;
        continue;
      }
      if (!wasListed || !canRetry(error)) throw error;
      options.onBreak?.(error);
    }
    if (signal?.aborted) return;
    await pause(clock, retryMs);
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  }
}
