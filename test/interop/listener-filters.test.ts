// Filters that act before a route is looked for, in both engines: what they decide, what they change counts for the match, and
// whose requests they are for.
import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { after, before, describe, it } from 'node:test';
import type { ExternalAuth } from '../../src/filters/external-auth/schema.ts';
import type { AuthVerdict } from '../../src/filters/filter-case.ts';
import type { Route } from '../../src/model/route.ts';
import type { VirtualHost } from '../../src/model/snapshot.ts';
import { type AuthServers, authParts, openAuthServers } from '../fakes/auth-servers.ts';
import { ENGINES, type Engine, openEngine } from '../fakes/each-engine.ts';
import { gatewaySnapshot } from '../fakes/engine-pair.ts';
import { forward, route } from '../fakes/envoy-mesh.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';

const LOOPBACK = '127.0.0.1';

const auth = (protocol: ExternalAuth['protocol'], more: Partial<ExternalAuth> = {}): ExternalAuth => ({
  type: 'external-auth',
  cluster: `auth-${protocol}`,
  protocol,
  pathPrefix: '',
  requestHeaders: ['x-verdict', 'x-first'],
  responseHeaders: [],
  maxBodyBytes: 0,
  timeoutMs: 20_000,
  ...more,
});

const to = (name: string, match: Partial<Route['match']>, more: Partial<Route> = {}): Route => ({
  ...route({
    name,
    filters: [{ type: 'response-headers', set: [{ name: 'x-route', value: name }], add: [], remove: [] }],
    action: forward(['program', 1]),
  }),
  match: { path: { type: 'prefix', value: '/' }, headers: [], queryParams: [], ...match },
  ...more,
});

const ofUser = (value: string): Partial<Route['match']> => ({ headers: [{ name: 'x-user', type: 'exact', value }] });
const onPath = (value: string): Partial<Route['match']> => ({ path: { type: 'exact', value } });

const ROUTES: readonly Route[] = [
  to('limited', ofUser('limited'), { action: { ...forward(['program', 1]), maxRequestBytes: 5 } as Route['action'] }),
  to('guarded', ofUser('guarded'), { filters: [auth('grpc')] }),
  to('packed', ofUser('packed'), {
    filters: [{ type: 'compression', encodings: [{ name: 'gzip', minBytes: 1 }] as never }],
  }),
  to('ann', ofUser('ann')),
  to('elsewhere', onPath('/elsewhere')),
  to('plain', onPath('/plain')),
];

const host = (name: string, more: Partial<VirtualHost>): VirtualHost => ({
  name,
  domains: [`${name}.test`],
  routes: ROUTES,
  ...more,
});

const HOSTS: readonly VirtualHost[] = [
  host('http', { filters: [auth('http')] }),
  host('grpc', { filters: [auth('grpc')] }),
  host('body', { filters: [auth('http', { maxBodyBytes: 200_000 })] }),
  host('two', { filters: [auth('http'), auth('grpc')] }),
  host('reversed', { filters: [auth('grpc'), auth('http')] }),
  host('lost', { filters: [auth('grpc', { cluster: 'unknown' })] }),
  host('open', {}),
  host('rest', { domains: ['*.rest.test'], routes: [], filters: [auth('http')] }),
];

interface Call {
  readonly host: string;
  readonly path?: string;
  readonly verdict?: AuthVerdict;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly body?: string;
}

interface Want {
  readonly status: number;
  /** The route that the request took. */
  readonly route?: string;
  readonly reached?: boolean;
  readonly asked?: boolean;
  /** What came to the program. */
  readonly body?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const forBoth: Readonly<Record<string, readonly [Call, Want]>> = {
  'a header that the server sets is matched': [
    { host: '', verdict: { headers: ['x-user', 'ann'] } },
    { status: 200, route: 'ann' },
  ],
  'the header of a client that the server replaces is not': [
    { host: '', headers: { 'x-user': 'limited' }, verdict: { headers: ['x-user', 'ann'] } },
    { status: 200, route: 'ann' },
  ],
  'what is denied is not even looked up': [
    { host: '', path: '/nowhere', verdict: { status: 401, body: 'who?' } },
    { status: 401, reached: false },
  ],
  'what is allowed and has no route gets 404': [
    { host: '', path: '/nowhere' },
    { status: 404, reached: false, asked: true },
  ],
  'a request that has its route without the server takes it': [
    { host: '', path: '/plain' },
    { status: 200, route: 'plain', asked: true },
  ],
  'the host stays as it was': [
    { host: '', path: '/plain', verdict: { headers: ['host', 'open.test', 'x-a', 'b'] } },
    { status: 200, route: 'plain' },
  ],
  'a body goes to the program': [
    { host: '', path: '/plain', method: 'POST', body: 'x'.repeat(150_000) },
    { status: 200, route: 'plain', body: 'x'.repeat(150_000) },
  ],
  'the route that is found asks its own server': [
    { host: '', verdict: { headers: ['x-user', 'guarded', 'x-verdict', '{"status":418}'] } },
    { status: 418, reached: false },
  ],
  'the route that is found compresses': [
    { host: '', headers: { 'accept-encoding': 'gzip' }, verdict: { headers: ['x-user', 'packed'] } },
    { status: 200, reached: true, headers: { 'content-encoding': 'gzip' } },
  ],
};

/** Envoy does not count what came while a filter waited. */
const ownCases: typeof forBoth = {
  'the limit of the route that is found holds': [
    { host: 'http', method: 'POST', body: 'too large', verdict: { headers: ['x-user', 'limited'] } },
    { status: 413, reached: false },
  ],
};

const cases: Readonly<Record<string, readonly [Call, Want]>> = {
  ...Object.fromEntries(
    ['http', 'grpc', 'body'].flatMap((name) =>
      Object.entries(forBoth).map(([title, [call, want]]) => [`${title} (${name})`, [{ ...call, host: name }, want]]),
    ),
  ),
  'a path that the server sets is matched': [
    { host: 'grpc', path: '/here', verdict: { headers: [':path', '/elsewhere?a=b'] } },
    { status: 200, route: 'elsewhere', url: '/elsewhere?a=b' },
  ],
  'other hosts of the port ask nobody': [
    { host: 'open', path: '/plain' },
    { status: 200, route: 'plain', asked: false },
  ],
  'other hosts of the port have their 404': [
    { host: 'open', path: '/no' },
    { status: 404, asked: false },
  ],
  'hosts of a listener without routes are asked about': [
    { host: 'a.rest', verdict: { status: 403 } },
    { status: 403, asked: true },
  ],
  'without the server nothing passes': [
    { host: 'lost', path: '/plain' },
    { status: 403, reached: false },
  ],
};

for (const name of ENGINES) {
  describe(`filters of listeners in ${name}`, () => {
    let engine: Engine;
    let program: FakeServer;
    let servers: AuthServers;
    let seen: { url: string; body: string } | undefined;

    before(async () => {
      program = await openServer((request, response) => {
        const pieces: Buffer[] = [];
        request.on('data', (piece: Buffer) => pieces.push(piece));
        request.on('end', () => {
          seen = { url: request.url!, body: Buffer.concat(pieces).toString() };
          response.writeHead(200, { 'content-type': 'text/plain' }).end('ok ok ok ok ok ok');
        });
      });
      servers = await openAuthServers();
      const { clusters, endpoints } = authParts(program.port, servers);
      engine = await openEngine(name, ['gateway'], (port) => ({
        ...gatewaySnapshot(port('gateway'), HOSTS, clusters),
        endpoints,
      }));
    });
    after(async () => {
      await engine?.close();
      await program?.close();
      await servers?.close();
    });

    const call = ({ host: to, path = '/', verdict, headers = {}, method = 'GET', body }: Call) =>
      new Promise<{ status: number | undefined; headers: IncomingHttpHeaders }>((resolve, reject) => {
        seen = undefined;
        servers.asked = undefined;
        const asked = httpRequest({
          host: LOOPBACK,
          port: engine.port('gateway'),
          path,
          method,
          agent: false,
          headers: {
            host: `${to}.test`,
            ...headers,
            ...(verdict && { 'x-verdict': JSON.stringify(verdict) }),
            ...(body !== undefined && { 'content-length': body.length }),
          },
        });
        asked.on('error', reject).on('response', (response) => {
          response.resume().on('end', () => resolve({ status: response.statusCode, headers: response.headers }));
        });
        asked.end(body);
      });

    for (const [title, [given, want]] of Object.entries(name === 'weft' ? { ...cases, ...ownCases } : cases)) {
      it(title, async () => {
        const { status, headers } = await call(given);
        assert.equal(status, want.status);
        if (want.route !== undefined) assert.equal(headers['x-route'], want.route);
        if (want.reached !== undefined) assert.equal(seen !== undefined, want.reached);
        if (want.asked !== undefined) assert.equal(servers.asked !== undefined, want.asked);
        if (want.body !== undefined) assert.equal(seen?.body, want.body);
        if (want.url !== undefined) assert.equal(seen?.url, want.url);
        for (const [key, value] of Object.entries(want.headers ?? {})) assert.equal(headers[key], value);
      });
    }

    for (const [to, first, second] of [
      ['two', 'http', 'grpc'],
      ['reversed', 'grpc', 'http'],
    ] as const) {
      it(`one after the other in their order: ${to}`, async () => {
        const { status } = await call({ host: to, path: '/plain', verdict: { headers: ['x-first', first] } });
        assert.equal(status, 200);
        // What the second is asked has what the first has said.
        assert.equal(servers.asked?.headers['x-first'], first, `${second} is asked last`);
        const denied = await call({ host: to, path: '/plain', verdict: { status: 403 } });
        assert.equal(denied.status, 403);
        assert.equal(servers.asked?.headers['x-first'], undefined, 'the second is not asked');
      });
    }
  });
}
