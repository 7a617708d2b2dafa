// Who may call what: AuthorizationPolicy and PeerAuthentication, as callers and programs see them. Used by features.test.ts.
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { until } from '../until.ts';
import { call, rawCall, readAnswer } from './http-call.ts';
import type { Features } from './setup.ts';

const policy = (name: string, spec: string, namespace = 'default'): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;

const GUARDED = 'selector: { matchLabels: { app: guarded } }';
const HOST = 'http://guarded.default';

/** What `other/stranger` may do at `guarded`, and the status it gets for a call: a rule and calls with what they answer. */
interface Rule {
  readonly rule: string;
  readonly calls: readonly [
    path: string,
    status: number,
    options?: { method?: string; headers?: Record<string, string> },
  ][];
}

const rulesFor = (httpPort: number): Record<string, Rule> => ({
  principals: {
    rule: '{ from: [{ source: { principals: [cluster.local/ns/other/sa/stranger] } }] }',
    calls: [['/', 200]],
  },
  'other principals': {
    rule: '{ from: [{ source: { principals: [cluster.local/ns/default/sa/stranger] } }] }',
    calls: [['/', 403]],
  },
  notPrincipals: { rule: '{ from: [{ source: { notPrincipals: ["*/sa/stranger"] } }] }', calls: [['/', 403]] },
  namespaces: { rule: '{ from: [{ source: { namespaces: [oth*] } }] }', calls: [['/', 200]] },
  'other namespaces': { rule: '{ from: [{ source: { namespaces: [default] } }] }', calls: [['/', 403]] },
  methods: {
    rule: '{ to: [{ operation: { methods: [POST] } }] }',
    calls: [
      ['/', 403],
      ['/', 200, { method: 'POST' }],
    ],
  },
  paths: {
    rule: '{ to: [{ operation: { paths: [/exact, /pre*, "*.css"] } }] }',
    calls: [
      ['/exact', 200],
      ['/exact?q', 200],
      ['/exact/', 403],
      ['/prefix/a', 200],
      ['/a/b.css', 200],
      ['/a/b.css/c', 403],
      ['/no/../exact', 200],
    ],
  },
  notPaths: {
    rule: '{ to: [{ operation: { notPaths: [/secret*] } }] }',
    calls: [
      ['/open', 200],
      ['/secret', 403],
      ['/open/../secret', 403],
      ['/%73ecret', 403],
    ],
  },
  hosts: {
    rule: '{ to: [{ operation: { hosts: [guarded.default, GUARDED.default.svc*] } }] }',
    calls: [['/', 200]],
  },
  'other hosts': { rule: '{ to: [{ operation: { hosts: [elsewhere] } }] }', calls: [['/', 403]] },
  ports: { rule: `{ to: [{ operation: { ports: ["${httpPort}"] } }] }`, calls: [['/', 200]] },
  'other ports': { rule: '{ to: [{ operation: { ports: ["80"] } }] }', calls: [['/', 403]] },
  ipBlocks: { rule: '{ from: [{ source: { ipBlocks: [127.0.0.0/8] } }] }', calls: [['/', 200]] },
  'other ipBlocks': { rule: '{ from: [{ source: { ipBlocks: [10.0.0.0/8, "::1"] } }] }', calls: [['/', 403]] },
  'when headers': {
    rule: '{ when: [{ key: "request.headers[x-team]", values: [blue] }] }',
    calls: [
      ['/', 403],
      ['/', 200, { headers: { 'x-team': 'blue' } }],
      ['/', 403, { headers: { 'x-team': 'bluer' } }],
    ],
  },
});

const portOf = async (f: Features, app: string, port: string): Promise<{ port: number; inbound: number }> => {
  const { items } = await f.client.list(
    { group: 'networking.istio.io', version: 'v1', plural: 'workloadentries', namespaced: true },
    { namespace: 'default', labelSelector: `app=${app}` },
  );
  const [{ metadata, spec }] = items as unknown as [
    { metadata: { annotations: Record<string, string> }; spec: { ports: Record<string, number> } },
  ];
  return { port: spec.ports[port]!, inbound: Number(metadata.annotations['weft.dev/inbound']!.split(':').at(-1)) };
};

const peers = (name: string, spec: string): string => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${name}, namespace: default }
spec: ${spec}
`;

/** The statuses of the answers on one connection, in turn. */
async function* readAnswers(socket: Socket): AsyncGenerator<number, number> {
  let text = '';
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString('latin1');
    const head = /^HTTP\/1\.1 (\d{3}) [\s\S]*?\r\n\r\n/.exec(text);
    const isWhole = head && (text.endsWith('\r\n0\r\n\r\n') || text.endsWith('denied\n') || text.endsWith('denied'));
    if (!isWhole) continue;
    text = '';
    yield Number(head[1]);
  }
  return 0;
}

const plain = (port: number, path = '/plain') =>
  rawCall(
    port,
    `GET ${path} HTTP/1.1\r\nhost: guarded\r\nx-forwarded-client-cert: URI=spiffe://cluster.local/ns/default/sa/client\r\nconnection: close\r\n\r\n`,
  );

const isOpen = (answer: string) => answer.startsWith('HTTP/1.1 200 ');

export const policyCases: Record<string, (f: Features) => Promise<void>> = {
  'each field of a rule decides': async (f) => {
    const { port } = await portOf(f, 'guarded', 'http');
    const failures: string[] = [];
    for (const [name, { rule, calls }] of Object.entries(rulesFor(port))) {
      // Tells when the edit is in force.
      const mark = `/mark-${name.replaceAll(' ', '-')}`;
      const spec = `{ ${GUARDED}, rules: [${rule}, { to: [{ operation: { paths: [${mark}], methods: [PUT] } }] }] }`;
      await f.remove(policy('case', '{}'));
      await until('the end of the one before', async () => (await f.stranger.call(`${HOST}/`)).status === 403);
      await f.apply(policy('case', spec));
      await until(
        `${name} in force`,
        async () => (await f.stranger.call(`${HOST}${mark}`, { method: 'PUT' })).status === 200,
      );
      for (const [path, expected, options] of calls) {
        const { status } = await f.stranger.call(`${HOST}${path}`, options);
        if (status !== expected)
          failures.push(`${name}: ${options?.method ?? 'GET'} ${path}: ${status}, not ${expected}`);
      }
    }
    await f.remove(policy('case', '{}'));
    assert.deepEqual(failures, []);
  },

  'DENY goes over ALLOW, in every spelling of a path, and the flow says which policy it was': async (f) => {
    const deny = policy(
      'no-admin',
      `{ ${GUARDED}, action: DENY, rules: [{ to: [{ operation: { paths: [/admin*] } }] }] }`,
    );
    assert.equal((await f.caller.call('http://guarded/admin')).status, 200);
    await f.apply(deny);
    await until('the denial', async () => (await f.caller.call('http://guarded/admin')).status === 403);
    for (const path of ['/x/../admin', '/%61dmin', '/./admin/b']) {
      assert.equal((await f.caller.call(`http://guarded${path}`)).status, 403, path);
    }
    assert.equal((await f.caller.call('http://guarded/other')).status, 200);
    const event = await f.flow(
      'the denial',
      ({ direction, policy: by }) => direction === 'inbound' && by?.names.includes('default/no-admin') === true,
    );
    assert.equal(event.policy?.verdict, 'deny');
    assert.equal(event.source.identity, 'spiffe://cluster.local/ns/default/sa/client');
    assert.equal(event.source.workload?.startsWith('client-v1-'), true, event.source.workload);
    assert.equal(event.destination.service, 'guarded');
    assert.equal(event.http?.status, 403);
    assert.ok(event.flags.includes('RBAC') || event.flags.length === 0, event.flags.join());
    await f.remove(deny);
    await until('the end of the denial', async () => (await f.caller.call('http://guarded/admin')).status === 200);
  },

  'targetRefs reach a Service, and a Gateway': async (f) => {
    const target = (kind: string, group: string, name: string, path: string) =>
      policy(
        `target-${name}`,
        `{ targetRefs: [{ group: '${group}', kind: ${kind}, name: ${name} }], action: DENY, rules: [{ to: [{ operation: { paths: [${path}] } }] }] }`,
      );
    await f.apply(target('Service', '', 'guarded', '/of-service'));
    await until(
      'the denial at the service',
      async () => (await f.caller.call('http://guarded/of-service')).status === 403,
    );
    assert.equal((await f.caller.call('http://web/of-service')).status, 200);

    const port = await f.freePort();
    await f.apply(
      `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: policed }
spec: { gatewayClassName: weft, listeners: [{ name: http, protocol: HTTP, port: ${port} }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: policed }
spec: { parentRefs: [{ name: policed }], rules: [{ backendRefs: [{ name: web, port: 80 }] }] }
`,
    );
    await until('the default deny at the gateway', async () => (await call(port, '/')).status === 403);
    await f.apply(
      policy(
        'into-policed',
        '{ targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: policed }], rules: [{}] }',
      ),
    );
    await until('the gateway to be open', async () => (await call(port, '/')).status === 200);
    await f.apply(target('Gateway', 'gateway.networking.k8s.io', 'policed', '/of-gateway'));
    await until('the denial at the gateway', async () => (await call(port, '/of-gateway')).status === 403);
    assert.equal((await call(port, '/other')).status, 200);
    const event = await f.flow(
      'the denial at the gateway',
      ({ direction, policy: by }) => direction === 'gateway' && by?.names.includes('default/target-policed') === true,
    );
    assert.equal(event.policy?.verdict, 'deny');
    await f.remove(target('Service', '', 'guarded', '/of-service'));
  },

  'a denial holds on connections that are open already, and cuts none of them': async (f) => {
    const deny = policy(
      'no-kept',
      `{ ${GUARDED}, action: DENY, rules: [{ to: [{ operation: { paths: [/kept] } }] }] }`,
    );
    const socket = connect(f.caller.port, '127.0.0.1');
    const answers = readAnswers(socket);
    const ask = async (path: string) => {
      socket.write(`GET http://guarded${path} HTTP/1.1\r\nhost: guarded\r\n\r\n`);
      return (await answers.next()).value;
    };
    assert.equal(await ask('/kept'), 200);
    // A stream that begins before the edit and ends behind it.
    const stream = connect(f.caller.port, '127.0.0.1');
    const key = `kept-${f.engine}`;
    stream.write(`GET http://guarded/events?key=${key} HTTP/1.1\r\nhost: guarded\r\n\r\n`);
    let streamed = '';
    stream.on('data', (chunk) => {
      streamed += chunk;
    });
    await until('the stream', () => streamed.includes('data: 1'));
    await f.apply(deny);
    await until('the denial', async () => (await f.caller.call('http://guarded/kept')).status === 403);
    assert.equal(await ask('/kept'), 403);
    assert.equal(await ask('/other'), 200);
    await f.remove(deny);
    await until('the end of the denial', async () => (await f.caller.call('http://guarded/kept')).status === 200);
    assert.equal(await ask('/kept'), 200);
    assert.equal((await f.caller.call(`http://guarded/go-on?key=${key}`)).body, 'true');
    await until('the end of the stream', () => streamed.includes('data: 2'));
    stream.destroy();
    socket.destroy();
  },

  'twenty edits of policies under load fail no call that is allowed': async (f) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 2 });
    const failures: string[] = [];
    let [count, isStopping] = [0, false];
    const worker = async () => {
      while (!isStopping) {
        const sent = request({
          host: '127.0.0.1',
          port: f.caller.port,
          path: 'http://guarded/load',
          headers: { host: 'guarded' },
          agent,
        });
        const answer = await new Promise<number>((resolve, reject) => {
          sent
            .on('response', (response) => readAnswer(response).then(({ status }) => resolve(status), reject))
            .on('error', reject)
            .end();
        }).catch(String);
        if (answer !== 200) failures.push(String(answer));
        count += 1;
      }
    };
    const workers = [worker(), worker()];
    for (let edit = 1; edit <= 20; edit++) {
      const soFar = count;
      await f.apply(
        policy(
          'edited',
          `{ ${GUARDED}, action: ${edit % 2 ? 'DENY' : 'ALLOW'}, rules: [{ to: [{ operation: { paths: [/edit-${edit}] } }] }] }`,
        ),
      );
      await until('a few calls between edits', () => count >= soFar + 4);
    }
    isStopping = true;
    await Promise.all(workers);
    agent.destroy();
    await f.remove(policy('edited', '{}'));
    assert.deepEqual(failures, []);
  },

  'the program sees who calls; what a caller says of itself is dropped': async (f) => {
    const forged = 'By=x;URI=spiffe://cluster.local/ns/default/sa/root';
    const { body } = await f.caller.call('http://guarded/', { headers: { 'x-forwarded-client-cert': forged } });
    const said = (JSON.parse(body) as { headers: Record<string, string> }).headers['x-forwarded-client-cert'];
    assert.match(
      said ?? '',
      /^By=spiffe:\/\/cluster\.local\/ns\/default\/sa\/guarded;Hash=[0-9a-f]{64};.*URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/client$/,
    );
  },

  'STRICT refuses plain text, PERMISSIVE and DISABLE take it, of workload before namespace': async (f) => {
    const { inbound } = await portOf(f, 'guarded', 'http');
    const open = policy('open-plain', `{ ${GUARDED}, rules: [{ to: [{ operation: { paths: [/plain] } }] }] }`);
    await f.apply(open);
    const mesh = async () => (await f.caller.call('http://guarded/plain')).status;
    assert.equal(await plain(inbound), '', 'the mesh is STRICT');
    const namespace = (mode: string) => peers('default', `{ mtls: { mode: ${mode} } }`);
    const workload = (mode: string) => peers('guarded', `{ ${GUARDED}, mtls: { mode: ${mode} } }`);
    await f.apply(namespace('PERMISSIVE'));
    await until('PERMISSIVE for the namespace', async () => isOpen(await plain(inbound)));
    assert.equal(await mesh(), 200);
    const answer = await plain(inbound);
    assert.doesNotMatch(answer, /sa\/client/, 'no identity by word alone');
    assert.match(await plain(inbound, '/closed'), /^HTTP\/1.1 403 /, 'without an identity');
    await f.apply(workload('STRICT'));
    await until('STRICT for the workload', async () => (await plain(inbound)) === '');
    assert.equal(await mesh(), 200);
    await f.apply(workload('DISABLE'));
    await until('DISABLE for the workload', async () => isOpen(await plain(inbound)));
    assert.equal(await mesh(), 200);
    await f.remove(namespace('STRICT'), workload('STRICT'), open);
    await until('STRICT again', async () => (await plain(inbound)) === '');
  },
};
