// What both engines do with bodies that are too large.
import type { ForwardAction, Route } from '../../model/route.ts';
import type { FilterCase } from '../filter-case.ts';

const to = (
  limits: Pick<ForwardAction, 'maxRequestBytes' | 'maxResponseBytes' | 'keptRequestBytes' | 'retry'>,
  cluster = 'program',
): Route['action'] => ({
  type: 'forward',
  targets: [{ cluster, weight: 1, filters: [] }],
  ...limits,
});

const retry = { attempts: 1, statuses: [503], backoffMs: 1 };
const LARGE = 'x'.repeat(100_000);

const tooLarge = { status: 413, reached: false } as const;

export const sizeLimitCases: Readonly<Record<string, FilterCase>> = {
  'a request is as large as its route allows': {
    filters: [],
    action: to({ maxRequestBytes: 4 }),
    calls: [
      { want: { status: 200 } },
      { method: 'POST', body: '0123', want: { status: 200, reached: true } },
      { method: 'POST', body: '0123', chunked: true, want: { status: 200, reached: true } },
      { method: 'POST', body: '01234', want: tooLarge },
    ],
  },
  // By then the own engine has begun to pass it on.
  'one that does not say how large it is is refused where it goes over': {
    filters: [],
    action: to({ maxRequestBytes: 4 }),
    calls: [{ method: 'POST', body: '01234', chunked: true, want: { status: 413 } }],
  },
  'an answer is as large as its route allows': {
    filters: [],
    action: to({ maxResponseBytes: 4 }),
    calls: [
      { program: { body: '0123' }, want: { status: 200, body: '0123' } },
      { program: { body: '' }, want: { status: 200, body: '' } },
      { program: { body: '0123', length: false }, want: { status: 200, body: '0123' } },
      { program: { status: 204, body: '', length: false }, want: { status: 204 } },
      { program: { body: '01234' }, want: { status: 502, reached: true } },
      { method: 'HEAD', program: { body: '01234' }, want: { status: 200, headers: { 'content-length': '5' } } },
    ],
  },
  'a request is sent again where its body was kept': {
    filters: [],
    action: to({ keptRequestBytes: 200_000, retry }),
    calls: [
      {
        method: 'PUT',
        body: LARGE,
        program: [{ status: 503 }, {}],
        want: { status: 200, attempts: 2, receivedBody: LARGE },
      },
    ],
  },
  'the same behind filters that look at it first': {
    filters: [{ type: 'local-rate-limit', rules: [{ name: 'kept/0', conditions: [], requests: 100, unit: 'second' }] }],
    action: to({ keptRequestBytes: 200_000, retry }),
    calls: [{ method: 'PUT', body: LARGE, program: [{ status: 503 }, {}], want: { status: 200, attempts: 2 } }],
  },
  'an answer from a server of gRPC, which is too large': {
    filters: [],
    action: to({ maxResponseBytes: 4 }, 'calls'),
    calls: [
      { grpc: true, program: { body: '0123' }, want: { status: 200, body: '0123' } },
      { grpc: true, program: { body: '01234' }, want: { status: 200, body: '', headers: { 'grpc-status': '14' } } },
      { grpc: true, program: { body: '0123' }, want: { status: 200, body: '0123' } },
    ],
  },
  'one that is larger than what is kept passes, but only once': {
    filters: [],
    action: to({ keptRequestBytes: 1000, retry }),
    calls: [
      { method: 'PUT', body: LARGE, want: { status: 200, attempts: 1, receivedBody: LARGE } },
      { method: 'PUT', body: LARGE, program: [{ status: 503 }, {}], want: { status: 503, attempts: 1 } },
    ],
  },
  'a route without a limit takes any': {
    filters: [],
    calls: [{ method: 'POST', body: '0'.repeat(300_000), want: { status: 200, reached: true } }],
  },
};
