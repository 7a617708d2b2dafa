// By what of their requests both engines keep clients with an endpoint.
import type { FilterCall, FilterCase } from '../filter-case.ts';
import type { HashPolicy } from './schema.ts';

const hashed = (hash: readonly HashPolicy[], calls: readonly FilterCall[]): FilterCase => ({
  filters: [],
  action: { type: 'forward', targets: [{ cluster: 'pool', weight: 1, filters: [] }], hash },
  clusters: { pool: { to: ['a', 'b', 'c', 'd'], loadBalancing: 'maglev', tableSize: 1021 } },
  calls,
});

const stays = (rest: Omit<FilterCall, 'want'>): FilterCall => ({
  ...rest,
  times: 8,
  want: { status: 200, by: 'same' },
});

/** So many that not all of them are of one endpoint by chance. */
const goes = (rest: Omit<FilterCall, 'want'> = {}): FilterCall => ({
  ...rest,
  times: 60,
  want: { status: 200, by: 'several' },
});

const users = (of: (user: number) => Omit<FilterCall, 'want'>): FilterCall[] =>
  [1, 2, 3].flatMap((user) => [{ ...of(user), want: { status: 200 } }, stays(of(user))]);

export const hashAffinityCases: Readonly<Record<string, FilterCase>> = {
  'by a header': hashed(
    [{ type: 'header', name: 'x-user' }],
    users((user) => ({ headers: ['x-user', `user-${user}`] })),
  ),
  'by several headers': hashed(
    [
      { type: 'header', name: 'x-user' },
      { type: 'header', name: 'x-shop' },
    ],
    users((user) => ({ headers: ['x-shop', `${user % 2}`, 'x-user', `user-${user}`] })),
  ),
  'by a parameter of the query': hashed(
    [{ type: 'query', name: 'user' }],
    users((user) => ({ path: `/?a=1&user=user-${user}` })),
  ),
  'by the address of the client': hashed([{ type: 'source-ip' }], [{ want: { status: 200 } }, stays({})]),
  'by a cookie of the client': hashed(
    [{ type: 'cookie', name: 'u', ttlMs: 60_000, attributes: [] }],
    users((user) => ({ headers: ['cookie', `a=b; u=user-${user}; c=d`] })),
  ),
  'what has nothing of it goes anywhere': hashed(
    [{ type: 'header', name: 'x-user' }],
    [goes({ headers: ['x-other', 'user'] })],
  ),
  'without a life a client gets no cookie': hashed(
    [{ type: 'cookie', name: 'u', attributes: [] }],
    [{ want: { status: 200, headers: { 'set-cookie': null } } }, goes()],
  ),
  'a client without the cookie is given one': {
    ...hashed(
      [
        {
          type: 'cookie',
          name: 'u',
          ttlMs: 3_600_000,
          attributes: [
            { name: 'SameSite', value: 'Lax' },
            { name: 'Secure', value: '' },
          ],
        },
      ],
      [
        {
          want: {
            status: 200,
            headers: { 'set-cookie': /^u="[0-9a-f]{16}"; Max-Age=3600; SameSite=Lax; Secure; HttpOnly$/ },
          },
        },
        { times: 8, want: { status: 200, by: 'same', headers: { 'set-cookie': null } } },
        goes({ fresh: true }),
      ],
    ),
    keeps: 'cookies',
  },
  'a life of 0 is until the client closes': hashed(
    [{ type: 'cookie', name: 'u', ttlMs: 0, attributes: [] }],
    [{ want: { status: 200, headers: { 'set-cookie': /^u="[0-9a-f]{16}"; HttpOnly$/ } } }],
  ),
  'other ways of choosing take no notice of it': {
    ...hashed([{ type: 'header', name: 'x-user' }], [goes({ headers: ['x-user', 'user-1'] })]),
    clusters: { pool: { to: ['a', 'b', 'c', 'd'], loadBalancing: 'random' } },
  },
};
