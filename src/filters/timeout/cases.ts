// How long both engines wait, and what they answer then.
import type { ForwardAction, Route } from '../../model/route.ts';
import type { FilterCase } from '../filter-case.ts';

type Times = Pick<ForwardAction, 'timeoutMs' | 'attemptTimeoutMs' | 'retry'>;

const to = (times: Times, cluster = 'program'): Route['action'] => ({
  type: 'forward',
  targets: [{ cluster, weight: 1, filters: [] }],
  ...times,
});

const once = { attempts: 1, statuses: [], backoffMs: 1 };
const hang = { does: 'hang' } as const;
const SHORT_MS = 200;
/** Long enough for a loaded machine, too long for the time-out that must not be there. */
const LONG_MS = 10_000;

export const timeoutCases: Readonly<Record<string, FilterCase>> = {
  'a request that is not answered in time': {
    filters: [],
    action: to({ timeoutMs: SHORT_MS }),
    calls: [
      { program: hang, want: { status: 504, attempts: 1 } },
      { method: 'POST', body: 'a', program: hang, want: { status: 504, attempts: 1 } },
    ],
  },
  'an answer that is not complete in time breaks off': {
    filters: [],
    action: to({ timeoutMs: SHORT_MS }),
    calls: [{ program: { does: 'stall' }, want: { status: 200, body: 'ok', cut: true, attempts: 1 } }],
  },
  'the time that a request takes to come does not count': {
    filters: [],
    action: to({ timeoutMs: SHORT_MS, attemptTimeoutMs: SHORT_MS }),
    calls: [
      { method: 'POST', body: 'abc', pauseMs: 2 * SHORT_MS, want: { status: 200, attempts: 1, receivedBody: 'abc' } },
    ],
  },
  'nothing, or 0, is no limit': {
    filters: [],
    action: to({ timeoutMs: 0, attemptTimeoutMs: 0, retry: once }),
    calls: [{ program: { delayMs: SHORT_MS }, want: { status: 200, attempts: 1 } }],
  },
  'an attempt that takes too long is followed by another': {
    filters: [],
    action: to({ timeoutMs: LONG_MS, attemptTimeoutMs: SHORT_MS, retry: once }),
    calls: [
      { program: [hang, {}], want: { status: 200, attempts: 2 } },
      { method: 'PUT', body: 'abc', program: [hang, {}], want: { status: 200, attempts: 2, receivedBody: 'abc' } },
      { program: hang, want: { status: 504, attempts: 2 } },
    ],
  },
  'but not where the request may have been done': {
    filters: [],
    action: to({ timeoutMs: LONG_MS, attemptTimeoutMs: SHORT_MS, retry: once }),
    calls: [{ method: 'POST', body: 'a', program: [hang, {}], want: { status: 504, attempts: 1 } }],
  },
  'nor where the route has no retries': {
    filters: [],
    action: to({ attemptTimeoutMs: SHORT_MS }),
    calls: [{ program: [hang, {}], want: { status: 504, attempts: 1 } }],
  },
  // Envoy gives it the time of the request then.
  'an attempt that answers, but not to the end, is not repeated': {
    filters: [],
    action: to({ timeoutMs: 2 * SHORT_MS, attemptTimeoutMs: SHORT_MS, retry: once }),
    calls: [{ program: { does: 'stall' }, want: { status: 200, body: 'ok', cut: true, attempts: 1 } }],
  },
  'retries do not prolong the time of the request': {
    filters: [],
    action: to({ timeoutMs: SHORT_MS, attemptTimeoutMs: LONG_MS, retry: once }),
    calls: [{ program: hang, want: { status: 504, attempts: 1 } }],
  },
  'a call of gRPC ends at the deadline that it gives itself': {
    filters: [],
    action: to({}, 'calls'),
    calls: [
      {
        grpc: true,
        headers: ['grpc-timeout', '100m'],
        program: hang,
        want: { status: 200, headers: { 'grpc-status': '4' } },
      },
    ],
  },
  'a call of gRPC ends at the time-out of the route where that is shorter': {
    filters: [],
    action: to({ timeoutMs: SHORT_MS }, 'calls'),
    calls: [
      {
        grpc: true,
        headers: ['grpc-timeout', '10S'],
        program: hang,
        want: { status: 200, headers: { 'grpc-status': '4' } },
      },
    ],
  },
};
