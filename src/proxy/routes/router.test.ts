import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../lib/clock.ts';
import type { RequestHead } from '../../model/http.ts';
import type { Route, RouteMatch, ValueMatch } from '../../model/route.ts';
import type { RouteTable, VirtualHost } from '../../model/snapshot.ts';
import { prepareRoutes } from './router.ts';

const random = { next: () => 0 };
const services = { clock: systemClock, random, kept: <T>(_name: string, make: () => T) => make() };

const matchOf = (path: string): RouteMatch['path'] => {
  const [type, value] = path.includes(' ') ? path.split(' ') : ['prefix', path];
  return { type: type as 'prefix', value: value! };
};
const value = (text: string): ValueMatch => {
  const [name, wanted] = text.split(/[=~]/);
  return { name: name!, type: text.includes('~') ? 'regex' : 'exact', value: wanted! };
};
/** `/a`, `exact /a`, `regex /a.*`; then `GET`, `header x=1`, `query x~1`. */
const route = (name: string, path: string, ...conditions: string[]): Route => {
  const of = (kind: string) =>
    conditions.filter((text) => text.startsWith(`${kind} `)).map((text) => value(text.slice(kind.length + 1)));
  const method = conditions.find((text) => /^[A-Z]+$/.test(text));
  return {
    name,
    match: { path: matchOf(path), ...(method && { method }), headers: of('header'), queryParams: of('query') },
    filters: [],
    action: { type: 'forward', targets: [{ cluster: name, weight: 1, filters: [] }] },
  };
};
const virtualHost = (domains: string[], ...routes: Route[]): VirtualHost => ({ name: domains[0]!, domains, routes });
const table = (...virtualHosts: VirtualHost[]): RouteTable => ({ name: 't', virtualHosts, tunnels: [] });

/** `GET host/path?query` with headers. */
const request = (text: string, headers: string[] = []): RequestHead => {
  const [, method, host, path, query] = /^(?:([A-Za-z]+) )?([^/*]*)([^?]*)\??(.*)$/.exec(text)!;
  return { method: method ?? 'GET', host: host || 'a.test', path: path!, query: query!, headers };
};

interface Case {
  hosts?: VirtualHost[];
  routes?: Route[];
  /** Request → name of the route, or none. */
  want: Record<string, string | undefined>;
  headers?: string[];
}

const cases: Record<string, Case> = {
  'a prefix goes by path elements': {
    routes: [route('p', '/a')],
    want: { '/a': 'p', '/a/': 'p', '/a/b/c': 'p', '/ab': undefined, '/': undefined, '/b/a': undefined },
  },
  'closing slashes of a prefix do not count': {
    routes: [route('p', '/a/')],
    want: { '/a': 'p', '/a/b': 'p', '/ab': undefined },
  },
  'the root takes every path but the asterisk': {
    routes: [route('p', '/')],
    want: { '/': 'p', '/x/y': 'p', 'OPTIONS a.test*': undefined },
  },
  'an exact path takes only itself, whatever the query': {
    routes: [route('e', 'exact /a')],
    want: { '/a': 'e', '/a?x=1': 'e', '/a/': undefined, '/A': undefined },
  },
  'a pattern takes the whole path': {
    routes: [route('r', 'regex /v[0-9]+/.*')],
    want: { '/v1/x': 'r', '/v1': undefined, '/a/v1/x': undefined },
  },
  'the first in the list wins, whatever its kind': {
    routes: [
      route('long', '/a/b'),
      route('pattern', 'regex /a/c.*'),
      route('short', '/a'),
      route('exact', 'exact /a/b/c'),
      route('rest', '/'),
    ],
    want: { '/a/b/c': 'long', '/a/c': 'pattern', '/a/x': 'short', '/a': 'short', '/b': 'rest' },
  },
  'an exact path in front of prefixes': {
    routes: [route('exact', 'exact /a/b'), route('long', '/a/b'), route('rest', '/')],
    want: { '/a/b': 'exact', '/a/b/': 'long', '/': 'rest' },
  },
  'a root in front hides the rest': {
    routes: [route('rest', '/'), route('exact', 'exact /a')],
    want: { '/a': 'rest' },
  },
  'a route whose conditions fail leaves it to the next': {
    routes: [
      route('post', '/a', 'POST'),
      route('query', '/a', 'query v=2'),
      route('get', '/a', 'GET'),
      route('rest', '/'),
    ],
    want: {
      'POST a.test/a': 'post',
      '/a?v=2': 'query',
      '/a?v=1': 'get',
      'PUT a.test/a': 'rest',
      'get a.test/a': 'rest',
    },
  },
  'headers: any of several values of a name': {
    routes: [route('both', '/', 'header x=2', 'header y~b+'), route('one', '/', 'header x=1')],
    headers: ['x', '1', 'y', 'bb', 'x', '2'],
    want: { '/': 'both' },
  },
  'headers: all conditions must hold': {
    routes: [route('both', '/', 'header x=1', 'header y=1'), route('rest', '/')],
    headers: ['x', '1'],
    want: { '/': 'rest' },
  },
  'query: the first value counts, a name alone is empty': {
    routes: [
      route('first', '/', 'query a=1'),
      route('empty', '/', 'query b='),
      route('pattern', '/', 'query c~[0-9]+'),
    ],
    want: {
      '/?a=1&a=2': 'first',
      '/?a=2&a=1': undefined,
      '/?xa=1': undefined,
      '/?b': 'empty',
      '/?b=': 'empty',
      '/?bb=': undefined,
      '/?x&c=12': 'pattern',
      '/?c=x': undefined,
      '/?c': undefined,
    },
  },
  'exact host, longest suffix, any': {
    hosts: [
      virtualHost(['*'], route('any', '/')),
      virtualHost(['*.b.test'], route('suffix', '/')),
      virtualHost(['*.a.b.test'], route('longer', '/')),
      virtualHost(['x.b.test'], route('exact', '/')),
    ],
    want: {
      'x.b.test/': 'exact',
      'y.b.test/': 'suffix',
      'y.z.b.test/': 'suffix',
      'y.a.b.test/': 'longer',
      'a.b.test/': 'suffix',
      'b.test/': 'any',
      '.b.test/': 'any',
      'other/': 'any',
    },
  },
  'the port of a host counts only for a domain that has one': {
    hosts: [
      virtualHost(['a.test'], route('bare', '/')),
      virtualHost(['a.test:81'], route('port', '/')),
      virtualHost(['*.s.test:82'], route('suffix-port', '/')),
      virtualHost(['*.s.test'], route('suffix', '/')),
      virtualHost(['[::1]'], route('six', '/')),
      virtualHost(['*:90'], route('any-port', '/')),
    ],
    want: {
      'a.test/': 'bare',
      'a.test:80/': 'bare',
      'a.test:81/': 'port',
      'x.s.test:82/': 'suffix-port',
      'x.s.test:83/': 'suffix',
      '[::1]:80/': 'six',
      '[::1]/': 'six',
      'z.test:90/': 'any-port',
      'z.test:91/': undefined,
    },
  },
  'a host without routes that match does not fall through': {
    hosts: [virtualHost(['a.test'], route('only', '/x')), virtualHost(['*'], route('any', '/'))],
    want: { 'a.test/y': undefined, 'b.test/y': 'any' },
  },
};

for (const [name, { hosts, routes = [], want, headers }] of Object.entries(cases)) {
  test(name, () => {
    const router = prepareRoutes(table(...(hosts ?? [virtualHost(['a.test'], ...routes)])), services);
    assert.deepEqual(router.problems, []);
    for (const [text, expected] of Object.entries(want)) {
      assert.equal(router.match(request(text, headers))?.route.name, expected, text);
    }
  });
}

test('with a default port a host is looked up with a port always', () => {
  const hosts = [virtualHost(['a.test:80'], route('own', '/')), virtualHost(['a.test:81'], route('other', '/'))];
  const router = prepareRoutes({ ...table(...hosts), defaultPort: 80 }, services);
  const names = ['a.test/', 'a.test:80/', 'a.test:81/', 'a.test:82/'].map(
    (text) => router.match(request(text))?.route.name,
  );
  assert.deepEqual(names, ['own', 'own', 'other', undefined]);
});

test('a broken pattern of a path takes nothing, and is a problem', () => {
  const router = prepareRoutes(table(virtualHost(['*'], route('bad', 'regex /(a'), route('rest', '/'))), services);
  assert.equal(router.match(request('/a'))?.route.name, 'rest');
  assert.deepEqual(
    router.problems.map((problem) => [problem.code, problem.path]),
    [['PATTERN_INVALID', 'bad: match.path.value']],
  );
});

test('a broken pattern of a header answers 500 where the header is there', () => {
  const router = prepareRoutes(
    table(virtualHost(['*'], route('bad', '/', 'header x~(a'), route('rest', '/'))),
    services,
  );
  const action = router.match(request('/a', ['x', '1']))?.action;
  assert.deepEqual([action?.type, action?.type === 'direct' && action.status], ['direct', 500]);
  assert.equal(router.match(request('/a'))?.route.name, 'rest');
  assert.equal(router.problems.length, 1);
});

test('targets are picked by weight, with the edits of route and target', () => {
  const numbers = [0, 0.3, 0.6, 0.95];
  const add = (name: string) => ({
    type: 'request-headers' as const,
    set: [],
    add: [{ name, value: '1' }],
    remove: [],
  });
  const base = route('r', '/');
  const split: Route = {
    ...base,
    filters: [add('x-route')],
    action: {
      type: 'forward',
      targets: [
        { cluster: 'v1', weight: 90, filters: [] },
        { cluster: 'v2', weight: 10, filters: [add('x-target')] },
        { cluster: 'v3', weight: 0, filters: [] },
      ],
    },
  };
  const router = prepareRoutes(table(virtualHost(['*'], split)), {
    ...services,
    random: { next: () => numbers.shift()! },
  });
  const action = router.match(request('/'))?.action;
  assert.ok(action?.type === 'forward');
  const picked = Array.from({ length: 4 }, () => action.pick());
  assert.deepEqual([...new Set(picked.map((target) => target.cluster))].sort(), ['v1', 'v2']);
  const head = request('/');
  picked.find((target) => target.cluster === 'v2')?.editRequest?.(head);
  assert.deepEqual(head.headers, ['x-route', '1', 'x-target', '1']);
  assert.equal(picked[0]?.editResponse, undefined);
});

test('no target with a weight is the invalid backend', () => {
  const none: Route = {
    ...route('r', '/'),
    action: { type: 'forward', targets: [{ cluster: 'a', weight: 0, filters: [] }] },
  };
  const action = prepareRoutes(table(virtualHost(['*'], none)), services).match(request('/'))?.action;
  assert.equal(action?.type === 'forward' && action.pick().cluster, 'invalid-backend');
});

test('redirects and direct answers are prepared', () => {
  const gone: Route = { ...route('d', '/d'), action: { type: 'direct', status: 410, body: 'gone' } };
  const moved: Route = { ...route('m', '/m'), action: { type: 'redirect', scheme: 'https', status: 301 } };
  const router = prepareRoutes(table(virtualHost(['*'], gone, moved)), services);
  const direct = router.match(request('/d'))?.action;
  assert.deepEqual(direct, {
    type: 'direct',
    status: 410,
    body: 'gone',
    open: undefined,
    editRequest: undefined,
    taps: undefined,
    editResponse: undefined,
  });
  const redirect = router.match(request('/m'))?.action;
  assert.ok(redirect?.type === 'redirect');
  assert.equal(redirect.location(request('shop.test:80/m/x?q=1'), 'http', 80), 'https://shop.test/m/x?q=1');
});

test('agrees with going through the list one by one', () => {
  let seed = 3;
  const next = (n: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return (seed >> 8) % n;
  };
  const words = ['/', '/a', '/b', '/a/a', '/a/b', '/b/a', '/a/a/b', '/ab'];
  for (let round = 0; round < 200; round++) {
    const routes = Array.from({ length: 1 + next(8) }, (_, i) => {
      const path = `${['exact', 'prefix', 'regex'][next(3)]} ${words[next(words.length)]}`;
      return route(`r${i}`, path, ...(next(3) ? [] : [['GET', 'POST'][next(2)]!]));
    });
    const router = prepareRoutes(table(virtualHost(['*'], ...routes)), services);
    for (const path of [...words, '/a/', '/c', '/a/a/a']) {
      const head = request(`${['GET', 'POST'][next(2)]} a${path}`);
      const first = routes.find(({ match }) => {
        const { type, value: wanted } = match.path;
        const fits =
          type !== 'prefix' ? path === wanted : path === wanted || path.startsWith(`${wanted === '/' ? '' : wanted}/`);
        return fits && (!match.method || match.method === head.method);
      });
      assert.equal(router.match(head)?.route.name, first?.name, path);
    }
  }
});

test('thousands of routes are found by their own path', () => {
  const routes = Array.from({ length: 5000 }, (_, i) => route(`r${i}`, i % 2 ? `/p${i}` : `exact /p${i}`));
  const router = prepareRoutes(table(virtualHost(['*'], ...routes)), services);
  for (let i = 0; i < 5000; i += 7) assert.equal(router.match(request(`/p${i}`))?.route.name, `r${i}`);
});
