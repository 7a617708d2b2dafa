// What both engines send once more, and what never.
import type { Route } from '../../model/route.ts';
import type { FilterCase, ProgramStep } from '../filter-case.ts';
import type { RetryPolicy } from './schema.ts';

const to = (retry: Partial<RetryPolicy> | undefined, cluster = 'program'): Route['action'] => ({
  type: 'forward',
  targets: [{ cluster, weight: 1, filters: [] }],
  ...(retry && { retry: { attempts: 2, statuses: [], backoffMs: 1, ...retry } }),
});

const says = (status: number): ProgramStep => ({ status, body: `${status}` });
const ended = (grpcStatus: number): ProgramStep => ({ headers: ['grpc-status', `${grpcStatus}`], body: '' });
const reset: ProgramStep = { does: 'reset' };
const ok: ProgramStep = {};

export const retryCases: Readonly<Record<string, FilterCase>> = {
  'a status that is named': {
    filters: [],
    action: to({ statuses: [503, 418] }),
    calls: [
      { program: [says(503), ok], want: { status: 200, body: 'ok', attempts: 2 } },
      { program: [says(418), says(503), ok], want: { status: 200, attempts: 3 } },
      { program: says(500), want: { status: 500, attempts: 1 } },
    ],
  },
  'the answer to the last attempt is passed on': {
    filters: [],
    action: to({ statuses: [503] }),
    calls: [{ program: says(503), want: { status: 503, body: '503', attempts: 3 } }],
  },
  'no attempts, no retry': {
    filters: [],
    action: to({ attempts: 0, statuses: [503] }),
    calls: [{ program: [says(503), ok], want: { status: 503, attempts: 1 } }],
  },
  'every idempotent method, with its body': {
    filters: [],
    action: to({ statuses: [503] }),
    calls: ['HEAD', 'OPTIONS', 'DELETE', 'PUT', 'TRACE'].map((method) =>
      method === 'PUT'
        ? { method, body: 'abc', program: [says(503), ok], want: { status: 200, attempts: 2, receivedBody: 'abc' } }
        : { method, program: [says(503), ok], want: { status: 200, attempts: 2 } },
    ),
  },
  'a POST or PATCH is never sent twice': {
    filters: [],
    action: to({ statuses: [503] }),
    calls: [
      { method: 'POST', body: 'a', program: [says(503), ok], want: { status: 503, attempts: 1 } },
      { method: 'POST', program: [says(503), ok], want: { status: 503, attempts: 1 } },
      { method: 'PATCH', body: 'a', program: [says(503), ok], want: { status: 503, attempts: 1 } },
      { method: 'POST', body: 'a', program: [reset, ok], want: { status: 503, attempts: 1 } },
    ],
  },
  'a connection that ends before an answer': {
    filters: [],
    action: to({}),
    calls: [{ program: [reset, ok], want: { status: 200, attempts: 2 } }],
  },
  'but not where the policy leaves it out': {
    filters: [],
    action: to({ statuses: [418], resets: false }),
    calls: [{ program: reset, want: { status: 503 } }],
  },
  'an answer that has begun is not asked for again': {
    filters: [],
    action: to({ statuses: [200] }),
    calls: [{ method: 'POST', body: 'a', program: [ok], want: { status: 200, attempts: 1 } }],
  },
  'what was never sent goes to another endpoint, whatever the method, without a policy too': {
    filters: [],
    action: to(undefined, 'half'),
    calls: Array.from({ length: 6 }, () => ({
      method: 'POST',
      body: 'abc',
      want: { status: 200, attempts: 1, receivedBody: 'abc' },
    })),
  },
  'a call of gRPC, by the status that is named, whatever the method': {
    filters: [],
    action: to({ grpcStatuses: [14] }, 'calls'),
    calls: [
      {
        grpc: true,
        program: [ended(14), ended(0)],
        want: { status: 200, headers: { 'grpc-status': '0' }, attempts: 2 },
      },
      { grpc: true, program: ended(14), want: { status: 200, headers: { 'grpc-status': '14' }, attempts: 3 } },
      { grpc: true, program: ended(13), want: { status: 200, headers: { 'grpc-status': '13' }, attempts: 1 } },
    ],
  },
};
