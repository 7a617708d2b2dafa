// What both engines copy, and where to: the cluster `other`, or one that nobody can reach.
import type { FilterCase } from '../filter-case.ts';
import type { RequestMirror } from './schema.ts';

const mirror = (cluster: string, share = 1): RequestMirror => ({ type: 'request-mirror', cluster, share });

const LARGE = 'x'.repeat(300_000);

export const mirrorCases: Readonly<Record<string, FilterCase>> = {
  'a request is copied': {
    filters: [mirror('other')],
    calls: [
      { path: '/a?b=c', want: { status: 200, body: 'ok', reached: true, copies: [{ url: '/a?b=c' }] } },
      { method: 'POST', body: 'hello', want: { status: 200, reached: true, copies: [{ url: '/', body: 'hello' }] } },
      { method: 'PUT', body: LARGE, want: { status: 200, reached: true, copies: [{ url: '/', body: LARGE }] } },
    ],
  },
  'a copy is of what the program gets': {
    filters: [mirror('other'), { type: 'url-rewrite', host: 'inner.test', path: { type: 'full', value: '/new' } }],
    calls: [{ path: '/old', want: { status: 200, copies: [{ url: '/new', host: 'inner.test' }] } }],
  },
  'several copies': {
    filters: [mirror('other'), mirror('other')],
    calls: [{ path: '/a', want: { status: 200, copies: [{ url: '/a' }, { url: '/a' }] } }],
  },
  'none of a share of nothing': {
    filters: [mirror('other', 0), mirror('other')],
    calls: [{ path: '/a', want: { status: 200, copies: [{ url: '/a' }] } }],
  },
  'a copy that can not be sent is missed by nobody': {
    filters: [mirror('nowhere'), mirror('unknown'), mirror('other')],
    calls: [
      { path: '/a', want: { status: 200, body: 'ok', copies: [{ url: '/a' }] } },
      { method: 'POST', body: LARGE, want: { status: 200, body: 'ok', copies: [{ url: '/', body: LARGE }] } },
    ],
  },
  'what is answered by a filter before is not copied': {
    filters: [
      {
        type: 'cors',
        origins: ['*'],
        methods: [],
        headers: [],
        exposed: [],
        credentials: false,
        maxAgeSeconds: 5,
      },
      mirror('other'),
    ],
    calls: [
      {
        method: 'OPTIONS',
        headers: ['origin', 'https://a.test', 'access-control-request-method', 'GET'],
        want: { status: 200, reached: false },
      },
      { path: '/b', want: { status: 200, copies: [{ url: '/b' }] } },
    ],
  },
};
