// How both engines keep a client with the endpoint that answered it first.
import type { FilterCall, FilterCase } from '../filter-case.ts';
import type { SessionPersistence } from './schema.ts';

const kept = (
  session: SessionPersistence,
  keeps: FilterCase['keeps'],
  calls: readonly FilterCall[],
  more: Partial<FilterCase> = {},
): FilterCase => ({
  filters: [],
  action: { type: 'forward', targets: [target('pool')], session },
  clusters: { pool: { to: ['a', 'b', 'c', 'd'], loadBalancing: 'random' } },
  ...(keeps && { keeps }),
  calls,
  ...more,
});

const cookie = (rest: Partial<Extract<SessionPersistence, { type: 'cookie' }>> = {}) =>
  ({ type: 'cookie', name: 'stay', path: '/', ...rest }) as const;

const first = (setCookie: RegExp | null, rest: Partial<FilterCall> = {}): FilterCall => ({
  ...rest,
  want: { status: 200, headers: { 'set-cookie': setCookie } },
});

const again = (rest: Partial<FilterCall> = {}): FilterCall => ({
  times: 12,
  ...rest,
  want: { status: 200, by: 'same', headers: { 'set-cookie': null } },
});

/** So many that not all of them are of one endpoint by chance. */
const others = (rest: Partial<FilterCall> = {}): FilterCall => ({
  fresh: true,
  times: 60,
  ...rest,
  want: { status: 200, by: 'several' },
});

const target = (cluster: string) => ({ cluster, weight: 1, filters: [] });

const HALVES: FilterCase['clusters'] = {
  pool: { to: ['a', 'b'], loadBalancing: 'random' },
  rest: { to: ['c', 'd'], loadBalancing: 'random' },
};

const NOWHERE = Buffer.from('10.1.2.3:80').toString('base64');
const NOT_OURS = [NOWHERE, 'x', '', '"', '%00', Buffer.from([10, 200]).toString('base64')];

export const sessionAffinityCases: Readonly<Record<string, FilterCase>> = {
  'a client stays where it was first, by a cookie': kept(cookie(), 'cookies', [
    first(/^stay="?[^";]+"?; Path=\/; HttpOnly$/),
    again(),
    again({ headers: ['x-other', '1'], method: 'POST', body: 'x' }),
    others(),
  ]),
  'a cookie has a path, and is for it alone': kept(cookie({ path: '/shop' }), 'cookies', [
    first(null, { path: '/' }),
    first(null, { path: '/shops' }),
    first(/^stay="?[^";]+"?; Path=\/shop; HttpOnly$/, { path: '/shop' }),
    again({ path: '/shop/a?b=c' }),
  ]),
  'a cookie that ends says when': kept(cookie({ ttlMs: 3_600_000 }), 'cookies', [
    first(/^stay="?[^";]+"?; Max-Age=3600; Path=\/; HttpOnly$/),
    again(),
  ]),
  'a client stays where it was first, by a header': kept(
    { type: 'header', name: 'x-session' },
    { header: 'x-session' },
    [
      { want: { status: 200, headers: { 'x-session': /^[A-Za-z0-9+/]+=*$/ } } },
      { times: 12, want: { status: 200, by: 'same' } },
      others(),
    ],
  ),
  'a session that is none of ours is begun anew': kept(
    cookie({ ttlMs: 3_600_000 }),
    undefined,
    NOT_OURS.map((value) => first(/^stay=/, { headers: ['cookie', `a=b; stay=${value}`] })),
  ),
  'it comes before a hash': kept(
    cookie(),
    'cookies',
    [first(/^stay=/), again({ headers: ['x-user', 'one'] }), again({ headers: ['x-user', 'two'] })],
    {
      action: {
        type: 'forward',
        targets: [target('pool')],
        hash: [{ type: 'header', name: 'x-user' }],
        session: cookie(),
      },
      clusters: { pool: { to: ['a', 'b', 'c', 'd'], loadBalancing: 'maglev', tableSize: 1021 } },
    },
  ),
  'a cookie may end before its client closes': kept(cookie({ ttlMs: 3_600_000, untilClosed: true }), 'cookies', [
    // Envoy knows no end of a session without one of its cookie.
    first(/^stay="?[^";]+"?;( Max-Age=3600;)? Path=\/; HttpOnly$/),
    again(),
  ]),
  'a backend is drawn first': kept(
    cookie(),
    'cookies',
    [first(/^stay=/), { times: 60, want: { status: 200, by: 'several' } }],
    { action: { type: 'forward', targets: [target('pool'), target('rest')], session: cookie() }, clusters: HALVES },
  ),
  'each backend may have a session of its own': kept(
    cookie(),
    'cookies',
    [{ times: 60, want: { status: 200, by: 2 } }],
    {
      action: {
        type: 'forward',
        targets: [
          { ...target('pool'), session: cookie({ name: 'one' }) },
          { ...target('rest'), session: cookie({ name: 'other' }) },
        ],
      },
      clusters: HALVES,
    },
  ),
  'or one of several alone': kept(cookie(), 'cookies', [{ times: 80, want: { status: 200, by: 3 } }], {
    action: { type: 'forward', targets: [{ ...target('pool'), session: cookie() }, target('rest')] },
    clusters: HALVES,
  }),
  'that of the route comes before it': kept(cookie(), 'cookies', [first(/^stay=/), again()], {
    action: {
      type: 'forward',
      targets: [{ ...target('pool'), session: cookie({ name: 'backend' }) }],
      session: cookie(),
    },
  }),
  'a route without one takes no notice of the cookie': {
    filters: [],
    action: { type: 'forward', targets: [target('pool')] },
    clusters: { pool: { to: ['a', 'b'], loadBalancing: 'random' } },
    calls: [first(null, { headers: ['cookie', `stay=${NOWHERE}`] })],
  },
};
