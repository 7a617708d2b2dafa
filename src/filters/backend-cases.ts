// Filters of single backends, beside those of their route. Run on both engines by test/interop/filters.test.ts.
import type { ForwardTarget, Route } from '../model/route.ts';
import type { FilterCase } from './filter-case.ts';

const to = (target: Partial<ForwardTarget>): Route['action'] => ({
  type: 'forward',
  targets: [{ cluster: 'program', weight: 1, filters: [], ...target }],
});

const set = (type: 'request-headers' | 'response-headers', name: string, value: string) =>
  ({ type, set: [{ name, value }], add: [], remove: [] }) as const;

export const backendCases: Readonly<Record<string, FilterCase>> = {
  'a rewrite counts for what it names, the rest is that of the route': {
    filters: [{ type: 'url-rewrite', host: 'inner.test', path: { type: 'full', value: '/of-the-route' } }],
    action: to({
      filters: [
        { type: 'url-rewrite', path: { type: 'full', value: '/of-the-backend' } },
        { type: 'request-mirror', cluster: 'other', share: 1 },
      ],
    }),
    calls: [{ path: '/a', want: { status: 200, copies: [{ url: '/of-the-backend', host: 'inner.test' }] } }],
  },
  'header edits come after those of the route': {
    filters: [set('request-headers', 'x-a', 'route'), set('response-headers', 'x-b', 'route')],
    action: to({ filters: [set('request-headers', 'x-a', 'backend'), set('response-headers', 'x-b', 'backend')] }),
    calls: [{ want: { status: 200, sent: { 'x-a': 'backend' }, headers: { 'x-b': 'backend' } } }],
  },
  'a redirect in place of one backend': {
    filters: [set('response-headers', 'x-b', 'route')],
    action: to({ redirect: { type: 'redirect', status: 307, host: 'moved.test', scheme: 'https' } }),
    calls: [
      {
        path: '/a?b',
        want: { status: 307, reached: false, headers: { location: 'https://moved.test/a?b', 'x-b': 'route' } },
      },
    ],
  },
};
