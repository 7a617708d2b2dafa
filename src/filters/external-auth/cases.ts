// What both engines ask authorization servers, and what becomes of the request: the clusters `auth-http` and `auth-grpc`, or
// one that nobody can reach.
import type { AuthVerdict, FilterCall, FilterCase } from '../filter-case.ts';
import type { ExternalAuth } from './schema.ts';

const auth = (protocol: ExternalAuth['protocol'], more: Partial<ExternalAuth> = {}): ExternalAuth => ({
  type: 'external-auth',
  cluster: `auth-${protocol}`,
  protocol,
  pathPrefix: '',
  requestHeaders: protocol === 'http' ? ['x-verdict'] : [],
  responseHeaders: [],
  maxBodyBytes: 0,
  // However busy the machine is.
  timeoutMs: 20_000,
  ...more,
});

const verdict = (value: AuthVerdict): string[] => ['x-verdict', JSON.stringify(value)];

const denied: FilterCall['want'] = { status: 403, reached: false, body: '' };

const both: Readonly<Record<string, (protocol: ExternalAuth['protocol']) => FilterCase>> = {
  'lets pass what the server allows, with what it adds': (protocol) => ({
    filters: [auth(protocol)],
    calls: [
      { path: '/a?b=c', want: { status: 200, reached: true, asked: { method: 'GET', path: '/a?b=c' } } },
      {
        headers: [...verdict({ headers: ['x-user', 'ann'] }), 'x-user', 'forged'],
        want: { status: 200, sent: { 'x-user': 'ann' } },
      },
      { method: 'POST', body: 'hello', want: { status: 200, asked: { method: 'POST', body: '' } } },
    ],
  }),
  'answers what the server answers in place of the program': (protocol) => ({
    filters: [auth(protocol)],
    calls: [
      {
        headers: verdict({ status: 401, headers: ['www-authenticate', 'Bearer', 'x-why', 'no token'], body: 'who?' }),
        want: {
          status: 401,
          reached: false,
          body: 'who?',
          headers: { 'www-authenticate': 'Bearer', 'x-why': 'no token' },
        },
      },
      {
        headers: verdict({ status: 302, headers: ['location', 'https://login.test/'] }),
        want: { status: 302, reached: false, headers: { location: 'https://login.test/' } },
      },
      { method: 'POST', body: 'x'.repeat(100_000), headers: verdict({ status: 403 }), want: denied },
    ],
  }),
  'refuses what could not be decided': (protocol) => ({
    filters: [auth(protocol, { timeoutMs: 300 })],
    calls: [
      { headers: verdict({ fails: 'cut' }), want: denied },
      { headers: verdict({ fails: 'silent' }), want: denied },
    ],
  }),
  'refuses all where the server can not be reached': (protocol) => ({
    filters: [auth(protocol, { cluster: 'nowhere' })],
    calls: [{ want: { ...denied, asked: null } }],
  }),
  'refuses all where the server is not known': (protocol) => ({
    filters: [auth(protocol, { cluster: 'unknown' })],
    calls: [{ want: { ...denied, asked: null } }],
  }),
  'does not let the server say whom the request is for': (protocol) => ({
    filters: [auth(protocol)],
    calls: [
      {
        headers: verdict({ headers: ['host', 'other.test', 'x-ok', 'yes'] }),
        want: { status: 200, sent: { 'x-ok': 'yes', host: '$host' } },
      },
    ],
  }),
  'sends the body along where it is wanted': (protocol) => ({
    filters: [auth(protocol, { maxBodyBytes: 200_000 })],
    calls: [
      { method: 'POST', body: 'hello', want: { status: 200, reached: true, asked: { body: 'hello' } } },
      {
        method: 'POST',
        body: 'y'.repeat(150_000),
        want: { status: 200, reached: true, asked: { body: 'y'.repeat(150_000) } },
      },
      { method: 'POST', body: 'z'.repeat(200_001), want: { status: 413, reached: false, asked: null } },
      { want: { status: 200, reached: true, asked: { body: '' } } },
    ],
  }),
  'asks one server after the other, until one refuses': (protocol) => ({
    filters: [auth(protocol), auth('http', { cluster: 'nowhere' }), auth('grpc')],
    calls: [{ want: { ...denied, asked: { path: '/' } } }],
  }),
  'asks about redirects too': (protocol) => ({
    filters: [auth(protocol)],
    action: { type: 'redirect', status: 301, host: 'moved.test' },
    calls: [{ want: { status: 301, asked: { path: '/' } } }, { headers: verdict({ status: 403 }), want: denied }],
  }),
  'asks for one backend alone': (protocol) => ({
    filters: [],
    action: { type: 'forward', targets: [{ cluster: 'program', weight: 1, filters: [auth(protocol)] }] },
    calls: [
      { want: { status: 200, reached: true, asked: { path: '/' } } },
      { headers: verdict({ status: 403 }), want: denied },
    ],
  }),
};

const forEach = (protocol: ExternalAuth['protocol']): [string, FilterCase][] =>
  Object.entries(both).map(([title, make]) => [`${title} (${protocol})`, make(protocol)]);

const told = ['x-a', '1', 'x-b', '2', 'authorization', 'Basic x', 'cookie', 'c=d'];

export const externalAuthCases: Readonly<Record<string, FilterCase>> = {
  ...Object.fromEntries([...forEach('http'), ...forEach('grpc')]),
  'tells a server of HTTP only what it is to be told, below its prefix': {
    filters: [auth('http', { requestHeaders: ['x-a'], pathPrefix: '/check' })],
    calls: [
      {
        path: '/p?q',
        headers: told,
        want: {
          status: 200,
          asked: {
            path: '/check/p?q',
            headers: { 'x-a': '1', 'x-b': null, authorization: 'Basic x', cookie: null, 'content-length': '0' },
          },
        },
      },
    ],
  },
  'tells a server of gRPC all headers': {
    filters: [auth('grpc')],
    calls: [
      {
        headers: told,
        want: { status: 200, asked: { headers: { 'x-a': '1', 'x-b': '2', authorization: 'Basic x', ':path': '/' } } },
      },
    ],
  },
  'tells a server of gRPC only those of a list': {
    filters: [auth('grpc', { requestHeaders: ['x-b'] })],
    calls: [
      {
        headers: told,
        want: {
          status: 200,
          asked: { path: '/', headers: { 'x-a': null, 'x-b': '2', authorization: null, ':path': null } },
        },
      },
    ],
  },
  'takes only the headers of a list from a server of HTTP': {
    filters: [auth('http', { responseHeaders: ['x-user'] })],
    calls: [
      {
        headers: verdict({ headers: ['x-user', 'ann', 'x-role', 'admin'] }),
        want: { status: 200, sent: { 'x-user': 'ann', 'x-role': null } },
      },
    ],
  },
  'leaves the request its own body, whatever a server of HTTP says of its': {
    filters: [auth('http')],
    calls: [
      {
        method: 'POST',
        body: '{}',
        headers: [
          'content-type',
          'application/json',
          ...verdict({ headers: ['content-type', 'text/html', 'content-length', '2'], body: 'ok' }),
        ],
        want: { status: 200, sent: { 'content-type': 'application/json', 'content-length': '2' } },
      },
    ],
  },
  'lets a server of gRPC append, remove and say things to the client': {
    filters: [auth('grpc')],
    calls: [
      {
        headers: [
          ...verdict({ append: ['x-a', '2', 'x-none', '3'], remove: ['x-b'], answer: ['x-seen', 'yes'] }),
          ...['x-a', '1', 'x-b', '2'],
        ],
        want: { status: 200, sent: { 'x-a': '1,2', 'x-b': null, 'x-none': null }, headers: { 'x-seen': 'yes' } },
      },
    ],
  },
};
