// One snapshot, both engines: Weft's own proxy and a real Envoy must give the same answers, those that the tables say.
import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { holdFreePort } from '../../src/app/ports.ts';
import { headerCases } from '../../src/filters/header-modifier/cases.ts';
import type { HeaderModifier } from '../../src/filters/header-modifier/schema.ts';
import { redirectCases } from '../../src/filters/request-redirect/cases.ts';
import { rewriteCases } from '../../src/filters/url-rewrite/cases.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import type { AuthorizationPolicy, FieldMatch, PolicyRule, StringMatch } from '../../src/model/policy.ts';
import type { Route } from '../../src/model/route.ts';
import type { HttpHandler, Listener, Snapshot } from '../../src/model/snapshot.ts';
import { openProxy } from '../../src/proxy/proxy.ts';
import { AccessLogs } from '../fakes/access-logs.ts';
import { cluster, forward, route } from '../fakes/envoy-mesh.ts';
import { startEnvoy } from '../fakes/envoy-process.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';
import { openXdsPlane, proxyNode } from '../fakes/xds-plane.ts';

const LOOPBACK = '127.0.0.1';

const hostOf = (kind: string, index: number): string => `${kind}-${index}.test`;
const headers = Object.values(headerCases);
const rewrites = Object.values(rewriteCases);
/** Those whose listener may have any port. */
const redirects = Object.entries(redirectCases).filter(([, { listener }]) => listener.port === 8080);

const onAnswer = (list: readonly HeaderModifier[]): readonly HeaderModifier[] =>
  list.map((filter) => ({ ...filter, type: 'response-headers' }));

const matching = (path: Route['match']['path'], rest: Partial<Route['match']> = {}): Route['match'] => ({
  path,
  headers: [],
  queryParams: [],
  ...rest,
});

const said = (body: string): Route['action'] => ({ type: 'direct', status: 200, body });

/** In order of precedence; the body names the route. */
const routing: Route[] = [
  route({ match: matching({ type: 'exact', value: '/a/b' }), action: said('exact') }),
  route({ match: matching({ type: 'prefix', value: '/a/b' }), action: said('long') }),
  route({ match: matching({ type: 'regex', value: '/v[0-9]+/(x|y)' }), action: said('pattern') }),
  route({ match: matching({ type: 'prefix', value: '/a/' }, { method: 'POST' }), action: said('post') }),
  route({
    match: matching({ type: 'prefix', value: '/h' }, { headers: [{ name: 'x', type: 'exact', value: '1' }] }),
    action: said('header'),
  }),
  route({
    match: matching({ type: 'prefix', value: '/h' }, { headers: [{ name: 'x', type: 'regex', value: '[2-4]+' }] }),
    action: said('header pattern'),
  }),
  route({
    match: matching({ type: 'prefix', value: '/q' }, { queryParams: [{ name: 'a', type: 'exact', value: 'x%20y' }] }),
    action: said('query'),
  }),
  route({
    match: matching({ type: 'prefix', value: '/q' }, { queryParams: [{ name: 'e', type: 'exact', value: '' }] }),
    action: said('empty query'),
  }),
  route({ match: matching({ type: 'prefix', value: '/a' }), action: said('short') }),
];

const exact = (...values: string[]): FieldMatch => ({
  any: values.map((value) => ({ type: 'exact', value })),
  none: [],
});
const any = (...matches: StringMatch[]): FieldMatch => ({ any: matches, none: [] });
const rule = (parts: Partial<PolicyRule>): PolicyRule => ({ from: [], to: [], when: [], ...parts });

const policies: AuthorizationPolicy[] = [
  {
    name: 'shop/no-admin',
    action: 'DENY',
    rules: [rule({ to: [{ paths: any({ type: 'prefix', value: '/admin' }, { type: 'suffix', value: '.secret' }) }] })],
  },
  {
    name: 'shop/open',
    action: 'ALLOW',
    rules: [
      rule({ to: [{ methods: exact('GET'), paths: any({ type: 'prefix', value: '/open/' }) }] }),
      rule({ to: [{ hosts: exact('Guarded.Test'), paths: exact('/host') }] }),
      rule({
        to: [{ paths: exact('/role') }],
        when: [{ key: 'request.headers[x-role]', values: { any: [{ type: 'present' }], none: exact('b').any } }],
      }),
      rule({ from: [{ ipBlocks: { any: ['127.0.0.0/8'], none: [] } }], to: [{ paths: exact('/near') }] }),
      rule({ from: [{ ipBlocks: { any: [], none: ['127.0.0.0/8'] } }], to: [{ paths: exact('/far') }] }),
      rule({ from: [{ principals: any({ type: 'present' }) }], to: [{ paths: exact('/proven') }] }),
      rule({ from: [{ namespaces: { any: [], none: exact('shop').any } }], to: [{ paths: exact('/stranger') }] }),
    ],
  },
];

const chain = (routes: string, authorization: readonly AuthorizationPolicy[] = []): Listener['chains'][number] => {
  const handler: HttpHandler = {
    type: 'http',
    routes,
    authorization,
    explicitProxy: false,
    edge: false,
    idleTimeoutMs: 30_000,
    headTimeoutMs: 5_000,
  };
  return { name: 'http', match: { serverNames: [] }, handler };
};

const snapshotOf = (open: number, guarded: number, program: number): Partial<Snapshot> => {
  const toProgram = forward(['program', 1]);
  const virtualHosts = [
    { name: 'routing', domains: ['routing.test'], routes: routing },
    ...headers.map(({ filters }, i) => ({
      name: hostOf('headers', i),
      domains: [hostOf('headers', i)],
      routes: [
        route({ match: matching({ type: 'exact', value: '/answer' }), filters: onAnswer(filters), action: toProgram }),
        route({ filters, action: toProgram }),
      ],
    })),
    ...rewrites.map(({ match, rewrite }, i) => ({
      name: hostOf('rewrite', i),
      domains: [hostOf('rewrite', i)],
      routes: [
        route({
          match: matching(match),
          filters: [{ type: 'url-rewrite', ...rewrite }],
          action: toProgram,
        }),
      ],
    })),
    ...redirects.map(([, { action, match }], i) => ({
      name: hostOf('redirect', i),
      domains: [hostOf('redirect', i)],
      routes: [
        route({
          match: matching(match ?? { type: 'prefix', value: '/' }),
          action: { type: 'redirect', status: 302, ...action },
        }),
      ],
    })),
  ];
  const listener = (name: string, port: number, ...chains: Listener['chains']): [string, Listener] => [
    name,
    { name, address: LOOPBACK, port, direction: 'gateway', chains },
  ];
  return {
    listeners: new Map([
      listener(`gateway/${open}`, open, chain('open')),
      listener(`gateway/${guarded}`, guarded, chain('guarded', policies)),
    ]),
    routes: new Map([
      ['open', { name: 'open', virtualHosts, tunnels: [] }],
      [
        'guarded',
        {
          name: 'guarded',
          virtualHosts: [{ name: 'all', domains: ['*'], routes: [route({ action: toProgram })] }],
          tunnels: [],
        },
      ],
    ]),
    clusters: new Map([['program', cluster('program')]]),
    endpoints: new Map([
      [
        'program',
        {
          cluster: 'program',
          endpoints: [{ address: LOOPBACK, port: program, mesh: false, weight: 1, health: 'healthy' }],
        },
      ],
    ]),
  };
};

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: string[];
  readonly body: string;
}

const ask = (port: number, host: string, path: string, extra: string[] = [], method = 'GET'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = ['host', host, ...extra];
    const request = httpRequest(
      { host: LOOPBACK, port, path, method, headers: sent, agent: false, setHost: false },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => {
          const { statusCode, rawHeaders } = response;
          resolve({ status: statusCode!, headers: response.headers, rawHeaders, body });
        });
      },
    );
    request.on('error', reject);
    request.end();
  });

/** `name: value` lines of the names that a case is about. */
const testHeaders = (flat: readonly string[]): string[] => {
  const lines: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    if (/^x-[ab]$/i.test(flat[i]!)) lines.push(`${flat[i]!.toLowerCase()}: ${flat[i + 1]}`);
  }
  return lines.sort();
};

interface Engine {
  readonly open: number;
  readonly guarded: number;
  close(): Promise<void>;
}

const freePorts = async (): Promise<[number, number]> => {
  const held = await Promise.all([holdFreePort(LOOPBACK), holdFreePort(LOOPBACK)]);
  await Promise.all(held.map((one) => one.release()));
  return [held[0]!.port, held[1]!.port];
};

const openWeft = async (program: number): Promise<Engine> => {
  const [open, guarded] = await freePorts();
  const node = proxyNode({ role: 'gateway', name: 'edge' });
  const proxy = openProxy({ node, onEvent: () => {}, clock: systemClock, random: systemRandom, log: silentLog });
  const problems = await proxy.apply({
    revision: 1,
    secrets: new Map(),
    ...snapshotOf(open, guarded, program),
  } as Snapshot);
  assert.deepEqual(problems, []);
  return { open, guarded, close: () => proxy.close() };
};

const openRealEnvoy = async (program: number): Promise<Engine> => {
  const plane = await openXdsPlane({ services: [new AccessLogs().service] });
  const [open, guarded] = await freePorts();
  plane.feed.publish(snapshotOf(open, guarded, program));
  const node = proxyNode({ engine: 'envoy' });
  const svid = plane.svid('shop', 'reviews');
  const envoy = await startEnvoy({ node, xds: plane.mutual, svid, protocol: 'DELTA_GRPC' });
  await envoy.until('an answer of each listener', async () => {
    const answers = await Promise.all([ask(open, 'routing.test', '/a'), ask(guarded, 'any.test', '/')]);
    return answers[0].status === 200 && answers[1].status === 403;
  });
  return {
    open,
    guarded,
    close: async () => {
      await envoy.close();
      await plane.close();
    },
  };
};

for (const [name, openEngine] of Object.entries({ weft: openWeft, envoy: openRealEnvoy })) {
  describe(`the engine ${name}`, () => {
    let engine: Engine;
    let program: FakeServer;

    before(async () => {
      program = await openServer((request, response) => {
        const { url, rawHeaders } = request;
        const echo = JSON.stringify({ url, host: request.headers.host, headers: rawHeaders });
        const wanted = request.headers['x-answer'];
        const flat: string[] = typeof wanted === 'string' ? JSON.parse(wanted) : [];
        response.writeHead(200, ['content-length', String(Buffer.byteLength(echo)), ...flat]);
        response.end(echo);
      });
      engine = await openEngine(program.port);
    });
    after(async () => {
      await engine?.close();
      await program?.close();
    });

    Object.keys(headerCases).forEach((title, i) => {
      it(`edits headers: ${title}`, async () => {
        const { before: given, after: wanted } = headers[i]!;
        const onRequest = await ask(engine.open, hostOf('headers', i), '/', [...given]);
        const echo = JSON.parse(onRequest.body);
        assert.deepEqual(testHeaders(echo.headers), testHeaders(wanted));
        assert.equal(echo.host, hostOf('headers', i));
        const answer = await ask(engine.open, hostOf('headers', i), '/answer', ['x-answer', JSON.stringify(given)]);
        assert.deepEqual(testHeaders(answer.rawHeaders), testHeaders(wanted));
      });
    });

    Object.entries(rewriteCases).forEach(([title, { paths, rewrite }], i) => {
      it(`rewrites: ${title}`, async () => {
        for (const [path, wanted] of Object.entries(paths)) {
          const { body } = await ask(engine.open, hostOf('rewrite', i), path);
          const { url, host } = JSON.parse(body);
          assert.deepEqual([url, host], [wanted, rewrite.host ?? hostOf('rewrite', i)]);
        }
      });
    });

    redirects.forEach(([title, { path, location }], i) => {
      it(`redirects: ${title}`, async () => {
        const host = hostOf('redirect', i);
        const answer = await ask(engine.open, `${host}:${engine.open}`, path);
        const wanted = location.replace('shop.test', host).replace(':8080', `:${engine.open}`);
        assert.equal(answer.status, 302);
        assert.equal(new URL(answer.headers.location!).href, new URL(wanted).href);
      });
    });

    const routed: Record<string, [path: string, headers?: string[], method?: string]> = {
      exact: ['/a/b?q'],
      long: ['/a/b/'],
      pattern: ['/v12/x'],
      post: ['/a/x', [], 'POST'],
      short: ['/a/x'],
      header: ['/h', ['x', '0', 'x', '1']],
      'header pattern': ['/h', ['x', '23']],
      query: ['/q?b&a=x%20y'],
      'empty query': ['/q?e'],
    };
    for (const [wanted, [path, sent, method]] of Object.entries(routed)) {
      it(`takes the route "${wanted}" for ${path}`, async () => {
        const answer = await ask(engine.open, 'routing.test', path, sent, method);
        assert.deepEqual([answer.status, answer.body], [200, wanted]);
      });
    }

    for (const path of ['/v12/z', '/ab', '/h', '/q?a=x', '/', '/v12/x/']) {
      it(`has no route for ${path}`, async () => {
        assert.equal((await ask(engine.open, 'routing.test', path)).status, 404);
      });
    }

    const normal: Record<string, string> = {
      '/open/./a//b/../c': '/open/a//c',
      '/open/%61%2Fb%7e': '/open/a%2Fb~',
      '/open/a\\b': '/open/a/b',
      '/open/..;x/open/a': '/open/a',
      '/open/{a}|b': '/open/%7Ba%7D%7Cb',
    };
    for (const [path, wanted] of Object.entries(normal)) {
      it(`passes ${path} on as ${wanted}`, async () => {
        const answer = await ask(engine.guarded, 'any.test', path);
        assert.deepEqual([answer.status, JSON.parse(answer.body).url], [200, wanted]);
      });
    }

    const calls: Record<string, [allowed: boolean, path: string, headers?: string[], method?: string, host?: string]> =
      {
        'what a policy allows': [true, '/open/a'],
        'what none allows': [false, '/closed'],
        'another method': [false, '/open/a', [], 'POST'],
        'dot segments out of what is allowed': [false, '/open/../closed'],
        'escaped dot segments': [false, '/open/%2e%2E/closed'],
        'what is denied': [false, '/admin'],
        'what is denied, by its end': [false, '/open/a.secret'],
        'the query is no part of it': [true, '/open/a?b=.secret'],
        'a host whatever its case': [true, '/host', [], 'GET', 'gUARDED.test'],
        'another host': [false, '/host'],
        'a header that is there': [true, '/role', ['x-role', 'a']],
        'a header that is not': [false, '/role'],
        'a header with the one value that is not': [false, '/role', ['x-role', 'b']],
        'an address within': [true, '/near'],
        'an address not without': [false, '/far'],
        'an identity that is not proven': [false, '/proven'],
        'no identity is not of the namespace': [true, '/stranger'],
        'a path with a zero byte': [false, '/open/%00'],
      };
    for (const [title, [allowed, path, sent, method, host]] of Object.entries(calls)) {
      it(`${allowed ? 'allows' : 'denies'}: ${title}`, async () => {
        const { status } = await ask(engine.guarded, host ?? 'any.test', path, sent, method);
        assert.equal(status, path.includes('%00') ? 400 : allowed ? 200 : 403);
      });
    }
  });
}
