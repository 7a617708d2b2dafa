// What a Gateway does for callers from outside: listeners, certificates, routes and their filters. Used by features.test.ts.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { Agent, request } from 'node:https';
import { makeCertificate } from '../../../src/ca/certificate.ts';
import { until } from '../until.ts';
import { call, readAnswer } from './http-call.ts';
import type { Features } from './setup.ts';

interface Pair {
  readonly certPem: string;
  readonly keyPem: string;
}

const makePair = (...dnsNames: string[]): Pair => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const template = {
    subject: { commonName: dnsNames[0]! },
    names: { dnsNames },
    notBefore: Date.UTC(2020),
    notAfter: Date.UTC(2120),
  };
  const certPem = makeCertificate(template, publicKey.export({ type: 'spki', format: 'der' }), { key: privateKey });
  return { certPem, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
};

export const base64 = (text: string): string => Buffer.from(text).toString('base64');

const secret = (name: string, { certPem, keyPem }: Pair, namespace = 'default'): string => `
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: { name: ${name}, namespace: ${namespace} }
data: { tls.crt: ${base64(certPem)}, tls.key: ${base64(keyPem)} }
`;

/** With a policy that lets anyone in. */
export const gateway = (name: string, ...listeners: string[]): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: default }
spec:
  gatewayClassName: weft
  listeners:
${listeners.map((line) => `    - ${line}`).join('\n')}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: into-${name}, namespace: default }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: ${name} }]
  rules: [{}]
`;

export const route = (name: string, parent: string, spec: string, namespace = 'default'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  parentRefs: [${parent}]
${spec.replace(/^\n/, '')}
`;

export const to = (backend: string, namespace?: string) =>
  `[{ name: ${backend}, port: 80${namespace ? `, namespace: ${namespace}` : ''} }]`;

const grant = (name: string, fromKind: string, toKind: string, namespace: string): string => `
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: ${fromKind}, namespace: default }]
  to: [{ group: '', kind: ${toKind} }]
`;

export const https = (name: string, port: number, hostname: string, certificate: string): string =>
  `{ name: ${name}, protocol: HTTPS, port: ${port}, hostname: '${hostname}', tls: { certificateRefs: [${certificate}] } }`;

/** The name that the server behind a gateway says; undefined for no good answer. */
const nameAt = async (port: number, path: string, host: string, headers = {}, method = 'GET') => {
  const { status, body } = await call(port, path, { method, headers: { host, ...headers } });
  return status === 200 ? (JSON.parse(body) as { name: string }).name : `status ${status}`;
};

export const conditionOf = (conditions: unknown, type: string) =>
  (conditions as { type: string; status: string; reason: string; message: string }[]).find((one) => one.type === type);

export const gatewayCases: Record<string, (f: Features) => Promise<void>> = {
  'HTTPS: each host shows its certificate; a wildcard covers the others; an unknown name gets none': async (f) => {
    const port = await f.freePort();
    const [one, two, wild] = [makePair('one.test'), makePair('two.test'), makePair('*.wild.test')];
    await f.apply(
      secret('one', one),
      secret('two', two),
      secret('wild', wild),
      gateway(
        'secure',
        https('one', port, 'one.test', '{ name: one }'),
        https('two', port, 'two.test', '{ name: two }'),
        https('wild', port, '*.wild.test', '{ name: wild }'),
      ),
      route('secure-one', '{ name: secure, sectionName: one }', `  rules: [{ backendRefs: ${to('web-v1')} }]`),
      route('secure-rest', '{ name: secure }', `  rules: [{ backendRefs: ${to('web-v2')} }]`),
    );
    const ask = async (host: string, ca: string) => {
      const { status, body } = await call(port, '/', { ca, servername: host, headers: { host } });
      const said = status === 200 ? (JSON.parse(body) as { name: string; headers: Record<string, string> }) : undefined;
      return said ? `${said.name} ${said.headers['x-forwarded-proto']}` : `status ${status}`;
    };
    await until('the first host', async () => (await ask('one.test', one.certPem)) === 'web-1 https');
    // The second route was put after the first one, and may come to the gateway after it.
    await until('the second host', async () => (await ask('two.test', two.certPem)) === 'web-2 https');
    assert.equal(await ask('any.wild.test', wild.certPem), 'web-2 https');
    await assert.rejects(ask('unknown.test', one.certPem), 'no certificate for a name that no listener has');
    // A kept connection may not reach another host's routes by its Host header.
    const misdirected = await call(port, '/', {
      ca: one.certPem,
      servername: 'one.test',
      headers: { host: 'two.test' },
    });
    assert.ok([404, 421].includes(misdirected.status), String(misdirected.status));

    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: one.certPem, servername: 'one.test' });
    const kept = () =>
      new Promise<{ status: number; body: string }>((resolve, reject) => {
        const sent = request({ host: '127.0.0.1', port, agent, headers: { host: 'one.test' } });
        sent.on('response', (response) => readAnswer(response).then(resolve, reject)).on('error', reject);
        sent.end();
      });
    const remotePortOf = async () => JSON.parse((await kept()).body).headers as Record<string, string>;
    await remotePortOf();
    const [before] = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
    const renewed = makePair('one.test');
    await f.apply(secret('one', renewed));
    await until('the new certificate', async () => (await ask('one.test', renewed.certPem)) === 'web-1 https');
    await assert.rejects(ask('one.test', one.certPem), 'the old certificate is gone');
    assert.equal((await kept()).status, 200);
    assert.equal(Object.values(agent.freeSockets).flat()[0], before, 'the connection made before goes on');
    agent.destroy();
  },

  'a Secret and a backend of another namespace need a ReferenceGrant': async (f) => {
    const port = await f.freePort();
    const pair = makePair('granted.test');
    await f.apply(
      secret('granted', pair, 'other'),
      gateway('granted', https('main', port, 'granted.test', '{ name: granted, namespace: other }')),
      route('granted', '{ name: granted }', `  rules: [{ backendRefs: ${to('web', 'other')} }]`),
    );
    const listenerCondition = async () => {
      const { status } = await f.get('gateway.networking.k8s.io/v1', 'Gateway', 'granted');
      const { listeners } = status as { listeners?: { conditions: unknown }[] };
      return conditionOf(listeners?.[0]?.conditions ?? [], 'ResolvedRefs');
    };
    await until('the refusal', async () => (await listenerCondition())?.reason === 'RefNotPermitted');
    await f.apply(grant('secret', 'Gateway', 'Secret', 'other'));
    const status = async () =>
      (await call(port, '/', { ca: pair.certPem, servername: 'granted.test', headers: { host: 'granted.test' } }))
        .status;
    await until('the listener to serve', async () => (await status()) === 500);
    await f.apply(grant('backend', 'HTTPRoute', 'Service', 'other'));
    await until('the backend to be reached', async () => (await status()) === 200);
    await f.remove(grant('backend', 'HTTPRoute', 'Service', 'other'));
    await until('the backend to be refused again', async () => (await status()) === 500);
  },

  'host names of listener and route meet; Gateways share a port; a route takes the listener it names': async (f) => {
    const port = await f.freePort();
    const listener = (name: string, hostname: string) =>
      `{ name: ${name}, protocol: HTTP, port: ${port}, hostname: '${hostname}' }`;
    await f.apply(
      gateway('first', listener('star', '*.first.test'), listener('exact', 'exact.first.test')),
      gateway('second', listener('only', 'second.test')),
      route(
        'first',
        '{ name: first, sectionName: star }',
        `  hostnames: [a.first.test, second.test]\n  rules: [{ backendRefs: ${to('web-v1')} }]`,
      ),
      route('exact', '{ name: first, sectionName: exact }', `  rules: [{ backendRefs: ${to('web-v2')} }]`),
      route('second', '{ name: second }', `  rules: [{ backendRefs: ${to('web-v2')} }]`),
    );
    await until('the second gateway', async () => (await nameAt(port, '/', 'second.test')) === 'web-2');
    await until('the first gateway', async () => (await nameAt(port, '/', 'a.first.test')) === 'web-1');
    assert.equal(await nameAt(port, '/', 'A.First.test:8080'), 'web-1', 'without regard to case and port');
    assert.equal(await nameAt(port, '/', 'b.first.test'), 'status 404');
    assert.equal(await nameAt(port, '/', 'exact.first.test'), 'web-2');
    assert.equal(await nameAt(port, '/', 'elsewhere.test'), 'status 404');
    // Each host has the policies of its own Gateway.
    await f.remove(gateway('second', listener('only', 'second.test')).split('---')[1]!);
    await until(
      'the second gateway to be closed',
      async () => (await nameAt(port, '/', 'second.test')) === 'status 403',
    );
    assert.equal(await nameAt(port, '/', 'a.first.test'), 'web-1');
    const absolute = await call(port, 'http://second.test/', { headers: { host: 'a.first.test' } });
    assert.equal(absolute.status, 403, 'by the name that is routed by');
  },

  'allowedRoutes takes routes of the namespaces with a label': async (f) => {
    const port = await f.freePort();
    const selector = '{ from: Selector, selector: { matchLabels: { team: other } } }';
    await f.apply(
      gateway('labelled', `{ name: http, protocol: HTTP, port: ${port}, allowedRoutes: { namespaces: ${selector} } }`),
      route(
        'labelled',
        '{ name: labelled, namespace: default }',
        `  hostnames: [in.test]\n  rules: [{ backendRefs: ${to('web')} }]`,
        'other',
      ),
      route('unlabelled', '{ name: labelled }', `  hostnames: [out.test]\n  rules: [{ backendRefs: ${to('web')} }]`),
    );
    await until(
      'the route of the labelled namespace',
      async () => (await nameAt(port, '/', 'in.test')) === 'other-web',
    );
    assert.equal(await nameAt(port, '/', 'out.test'), 'status 404');
    await until('the refusal of the other', async () => {
      const { status } = await f.get('gateway.networking.k8s.io/v1', 'HTTPRoute', 'unlabelled');
      const [parent] = (status as { parents: { conditions: unknown }[] } | undefined)?.parents ?? [];
      return parent && conditionOf(parent.conditions, 'Accepted')?.reason === 'NotAllowedByListeners';
    });
  },

  'matches by path, header, query and method, the most specific first': async (f) => {
    const port = await f.freePort();
    const rules = `
  rules:
    - backendRefs: ${to('web-v1')}
    - matches: [{ path: { type: PathPrefix, value: /prefix } }]
      backendRefs: ${to('web-v2')}
    - matches: [{ path: { type: Exact, value: /prefix/exact } }]
      backendRefs: ${to('web-v1')}
    - matches: [{ path: { type: RegularExpression, value: '/re/[0-9]+' } }]
      backendRefs: ${to('web-v2')}
    - matches: [{ headers: [{ name: X-Kind, value: two }] }]
      backendRefs: ${to('web-v2')}
    - matches: [{ queryParams: [{ name: kind, value: two }] }]
      backendRefs: ${to('web-v2')}
    - matches: [{ method: DELETE }]
      backendRefs: ${to('web-v2')}`;
    await f.apply(
      gateway('matches', `{ name: http, protocol: HTTP, port: ${port} }`),
      route('matches', '{ name: matches }', rules),
    );
    await until('the routes', async () => (await nameAt(port, '/', 'any.test')) === 'web-1');
    const table: [string, string, object?, string?][] = [
      ['/prefix', 'web-2'],
      ['/prefix/', 'web-2'],
      ['/prefix/a?b', 'web-2'],
      ['/prefixed', 'web-1'],
      ['/prefix/exact', 'web-1'],
      ['/a/../prefix', 'web-2'],
      ['/re/12', 'web-2'],
      ['/re/12a', 'web-1'],
      ['/re/', 'web-1'],
      ['/', 'web-2', { 'x-kind': 'two' }],
      ['/', 'web-1', { 'x-kind': 'twofold' }],
      ['/?kind=two', 'web-2'],
      ['/?kind=two&kind=one', 'web-2'],
      ['/?a=1&kind=two', 'web-2'],
      ['/?kind=twofold', 'web-1'],
      ['/', 'web-2', {}, 'DELETE'],
    ];
    for (const [path, name, headers, method] of table) {
      assert.equal(await nameAt(port, path, 'any.test', headers, method), name, `${method ?? 'GET'} ${path}`);
    }
  },

  'filters change headers of requests and responses, rewrite URLs and redirect': async (f) => {
    const port = await f.freePort();
    const rules = `
  rules:
    - matches: [{ path: { value: /edit } }]
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: { set: [{ name: x-set, value: new }], add: [{ name: x-add, value: more }], remove: [x-gone] }
        - type: ResponseHeaderModifier
          responseHeaderModifier: { set: [{ name: x-name, value: hidden }], add: [{ name: x-more, value: yes }], remove: [x-drop] }
        - type: URLRewrite
          urlRewrite: { hostname: inner.test, path: { type: ReplacePrefixMatch, replacePrefixMatch: /new } }
      backendRefs: ${to('web-v1')}
    - matches: [{ path: { value: /whole } }]
      filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplaceFullPath, replaceFullPath: /all } } }]
      backendRefs: ${to('web-v1')}
    - matches: [{ path: { value: /moved } }]
      filters:
        - type: RequestRedirect
          requestRedirect: { scheme: https, hostname: there.test, statusCode: 301, path: { type: ReplacePrefixMatch, replacePrefixMatch: /here } }`;
    await f.apply(
      gateway('filters', `{ name: http, protocol: HTTP, port: ${port} }`),
      route('filters', '{ name: filters }', rules),
    );
    const edit = () =>
      call(port, '/edit/a?q=1', { headers: { host: 'any.test', 'x-set': 'old', 'x-add': 'some', 'x-gone': 'x' } });
    await until('the routes', async () => (await edit()).status === 200);
    const edited = await edit();
    const said = JSON.parse(edited.body) as { url: string; headers: Record<string, string>; rawHeaders: string[] };
    assert.equal(said.url, '/new/a?q=1');
    assert.equal(said.headers.host, 'inner.test');
    assert.equal(said.headers['x-set'], 'new');
    assert.match(said.headers['x-add']!, /^some, ?more$/);
    assert.equal(said.headers['x-gone'], undefined);
    assert.deepEqual(
      [edited.headers['x-name'], edited.headers['x-more'], edited.headers['x-drop']],
      ['hidden', 'yes', undefined],
    );
    const whole = await call(port, '/whole/a?q=1', { headers: { host: 'any.test' } });
    assert.equal((JSON.parse(whole.body) as { url: string }).url, '/all?q=1');
    const moved = await call(port, '/moved/a?q=1', { headers: { host: 'any.test' } });
    assert.equal(moved.status, 301);
    assert.equal(moved.headers.location, 'https://there.test/here/a?q=1');
  },

  'timeouts answer 504, retries hide failures, weights split': async (f) => {
    const port = await f.freePort();
    const rules = `
  rules:
    - matches: [{ path: { value: /hang } }]
      timeouts: { request: 200ms }
      backendRefs: ${to('web-v1')}
    - matches: [{ path: { value: /flaky } }]
      retry: { codes: [503], attempts: 3, backoff: 10ms }
      backendRefs: ${to('web-v1')}
    - matches: [{ path: { value: /split } }]
      backendRefs: [{ name: web-v1, port: 80, weight: 1 }, { name: web-v2, port: 80, weight: 3 }]
    - matches: [{ path: { value: /none } }]
      backendRefs: [{ name: web-v1, port: 80, weight: 0 }]
    - matches: [{ path: { value: /dangling } }]
      backendRefs: [{ name: nowhere, port: 80 }]`;
    await f.apply(
      gateway('limits', `{ name: http, protocol: HTTP, port: ${port} }`),
      route('limits', '{ name: limits }', rules),
    );
    await until('the routes', async () => (await nameAt(port, '/split', 'any.test')).startsWith('web-'));
    const at = (path: string) => call(port, path, { headers: { host: 'limits.test' } });
    assert.equal((await at('/hang')).status, 504);
    await f.flow(
      'the timeout at the gateway',
      ({ direction, flags, http }) => direction === 'gateway' && flags.includes('UT') && http?.status === 504,
    );
    const flaky = await at('/flaky?key=gateway');
    assert.deepEqual([flaky.status, flaky.body], [200, '3']);
    await f.flow(
      'three attempts',
      ({ direction, attempts, http }) =>
        direction === 'gateway' && attempts === 3 && http?.path.startsWith('/flaky') === true,
    );
    const counts: Record<string, number> = {};
    for (let i = 0; i < 200; i++) {
      const name = await nameAt(port, '/split', 'any.test');
      counts[name] = (counts[name] ?? 0) + 1;
    }
    // 150 of 200, with a standard deviation of 6.1: five of them either way.
    assert.ok(counts['web-2']! > 119 && counts['web-2']! < 181, JSON.stringify(counts));
    assert.equal((await at('/none')).status, 500);
    assert.equal((await at('/dangling')).status, 500);
  },
};
