// How both engines follow requests that name their endpoints.
import type { LoadBalancing } from '../../model/balancing.ts';
import type { FilterCall, FilterCase } from '../filter-case.ts';
import type { HashPolicy } from '../hash-affinity/schema.ts';
import type { SessionPersistence } from '../session-affinity/schema.ts';

const overridden = (
  calls: readonly FilterCall[],
  loadBalancing: LoadBalancing = 'random',
  more: { readonly hash?: readonly HashPolicy[]; readonly session?: SessionPersistence } = {},
): FilterCase => ({
  filters: [],
  action: { type: 'forward', targets: [{ cluster: 'pool', weight: 1, filters: [] }], ...more },
  clusters: { pool: { to: ['a', 'b', 'c', 'd'], loadBalancing, endpointHeaders: ['x-to', 'x-else'] } },
  calls,
});

/** As often as one endpoint is hardly chosen by chance. */
const goesTo = (endpoint: string, ...headers: string[]): FilterCall => ({
  headers,
  times: 12,
  want: { status: 200, headers: { 'x-endpoint': endpoint } },
});

const goesAnywhere = (...headers: string[]): FilterCall => ({
  headers,
  times: 60,
  want: { status: 200, by: 'several' },
});

const WAYS: readonly LoadBalancing[] = ['least-request', 'round-robin', 'random', 'ring-hash', 'maglev', 'peak-ewma'];

export const endpointOverrideCases: Readonly<Record<string, FilterCase>> = {
  ...Object.fromEntries(
    WAYS.map((way) => [
      `a request names its endpoint, and others go by ${way}`,
      overridden([goesTo('c', 'x-to', '{c}'), goesTo('a', 'x-to', '{a}'), goesAnywhere()], way),
    ]),
  ),
  'the first that the cluster has': overridden([
    goesTo('b', 'x-to', '10.1.2.3:80,{b},{c}'),
    goesTo('d', 'x-to', 'nothing, {d}'),
  ]),
  'the first header comes first': overridden([
    goesTo('a', 'x-else', '{b}', 'x-to', '{a}'),
    goesTo('b', 'x-else', '{b}'),
  ]),
  'a further attempt goes to the next one': {
    ...overridden([goesTo('b', 'x-to', '{dead},{b}'), goesTo('c', 'x-to', '{dead}, {c}')]),
    clusters: { pool: { to: ['dead', 'a', 'b', 'c', 'd'], loadBalancing: 'random', endpointHeaders: ['x-to'] } },
  },
  'what the cluster has not is not gone to': overridden([
    goesAnywhere('x-to', '10.1.2.3:80'),
    goesAnywhere('x-to', 'x'),
    goesAnywhere('x-to', ''),
  ]),
  'without it a hash counts': overridden(
    [
      { headers: ['x-user', 'one'], want: { status: 200 } },
      { headers: ['x-user', 'one'], times: 12, want: { status: 200, by: 'same' } },
      goesTo('a', 'x-user', 'one', 'x-to', '{a}'),
      goesTo('d', 'x-user', 'one', 'x-to', '{d}'),
    ],
    'maglev',
    { hash: [{ type: 'header', name: 'x-user' }] },
  ),
  'a session comes before it': {
    ...overridden(
      [{ headers: ['x-to', '{a}'], want: { status: 200, headers: { 'x-endpoint': 'a' } } }, goesTo('a', 'x-to', '{b}')],
      'random',
      { session: { type: 'cookie', name: 'stay', path: '/' } },
    ),
    keeps: 'cookies',
  },
};
