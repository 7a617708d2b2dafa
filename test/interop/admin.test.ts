// The admin interface of both engines over the same snapshot: Weft's pages have no field that Envoy's have not, and none of
// another type; `weft proxy-config` shows the same of both.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, gatewayOf, httpListener, openGatewayFolder, routeTo, stopGateway } from '../e2e/gateway.ts';
import { until } from '../e2e/until.ts';
import { makeSelfSigned } from '../fakes/self-signed.ts';
import { runWeft } from '../fakes/weft-process.ts';

const ENGINES = ['weft', 'envoy'] as const;
type Engine = (typeof ENGINES)[number];

const admins = new Map<Engine, number>();
const ends: (() => unknown)[] = [];

before(async () => {
  // Steps of `after` in the order in which a test would run them.
  const context = { after: (end: () => unknown) => ends.unshift(end) } as never;
  const folders = await Promise.all(ENGINES.map((engine) => openGatewayFolder(context, engine)));
  const { certPem, keyPem } = makeSelfSigned();
  const files = { 'tls.crt': certPem, 'tls.key': keyPem };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'cert' }, type: 'kubernetes.io/tls' };
  for (const [i, folder] of folders.entries()) {
    const [port, secure, admin] = [await folder.freePort(), await folder.freePort(), await folder.freePort()];
    const https = `{ name: https, protocol: HTTPS, port: ${secure}, tls: { certificateRefs: [{ name: cert }] } }`;
    folder.write('gateway.yaml', gatewayOf(httpListener(port), https), routeTo('one'), routeTo('two', '/two', 'two'));
    folder.write('cert.yaml', JSON.stringify({ ...secret, stringData: files }));
    const running = await folder.serve(port, '--admin-port', String(admin), '--ready-port', '0');
    ends.unshift(() => stopGateway(folder, running));
    await until('requests to be answered', async () => (await ask(port, '/two')).body === 'two');
    admins.set(ENGINES[i]!, admin);
  }
});

after(async () => {
  for (const end of ends) await end();
});

const read = async (engine: Engine, path: string, init?: RequestInit) => {
  const response = await fetch(`http://127.0.0.1:${admins.get(engine)}${path}`, init);
  return { status: response.status, text: await response.text() };
};

type Shape = string | Shape[] | { [name: string]: Shape };

/** Types in place of values; a list has one shape that fits all its members. */
const shapeOf = (value: unknown): Shape => {
  if (Array.isArray(value)) return value.length === 0 ? [] : [value.map(shapeOf).reduce(join)];
  if (typeof value !== 'object' || value === null) return typeof value;
  const shape: Record<string, Shape> = {};
  // What is inside an Any is of Envoy's form in one and of Weft's own in the other.
  const isOwn = String((value as Record<string, unknown>)['@type']).match(
    /^(weft\.|type\.googleapis\.com\/envoy\.(?!admin))/,
  );
  if (!isOwn) for (const [name, field] of Object.entries(value)) shape[name] = shapeOf(field);
  return shape;
};

const join = (a: Shape, b: Shape): Shape => {
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b].length > 1 ? [[...a, ...b].reduce(join)] : [...a, ...b];
  if (typeof a === 'string' || typeof b === 'string' || Array.isArray(a) || Array.isArray(b)) return a;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries(
    [...names].map((name) => [name, name in a && name in b ? join(a[name]!, b[name]!) : (a[name] ?? b[name])!]),
  );
};

/** Where `own` has what `envoy` has not, or has another type. */
const differences = (own: Shape, envoy: Shape | undefined, path = ''): string[] => {
  if (envoy === undefined) return [`${path} is not there`];
  if (Array.isArray(own) && Array.isArray(envoy))
    return own[0] && envoy[0] ? differences(own[0], envoy[0], `${path}[]`) : [];
  if (typeof own === 'string' || typeof envoy === 'string' || Array.isArray(own) || Array.isArray(envoy)) {
    return own === envoy ? [] : [`${path} is ${JSON.stringify(own)}, not ${JSON.stringify(envoy)}`];
  }
  return Object.entries(own).flatMap(([name, field]) => differences(field, envoy[name], `${path}.${name}`));
};

const JSON_PAGES: Record<string, { path: string; except?: string[] }> = {
  'the clusters': { path: '/clusters?format=json' },
  'the listeners': { path: '/listeners?format=json' },
  'one list of the configuration': { path: '/config_dump?resource=dynamic_listeners' },
  'a part of it': { path: '/config_dump?resource=dynamic_active_clusters&mask=version_info,last_updated' },
  'the routes': { path: '/config_dump?resource=dynamic_route_configs' },
  'the secrets': { path: '/config_dump?resource=dynamic_active_secrets' },
  'the endpoints': { path: '/config_dump?include_eds&resource=dynamic_endpoint_configs' },
  'the server': { path: '/server_info', except: ['.node.user_agent_version is not there'] },
  'the memory': { path: '/memory' },
  'the counts': { path: '/stats?format=json&filter=active' },
  'the times': { path: '/stats?format=json&type=Histograms&filter=nothing-of-this-name' },
  'the certificates': { path: '/certs' },
};

for (const [what, { path, except = [] }] of Object.entries(JSON_PAGES)) {
  test(`${what} in JSON: ${path}`, async () => {
    const [own, envoy] = await Promise.all(ENGINES.map(async (engine) => JSON.parse((await read(engine, path)).text)));
    const found = differences(shapeOf(own), shapeOf(envoy)).filter((difference) => !except.includes(difference));
    assert.deepEqual(found, []);
  });
}

test('the whole configuration has the same parts', async () => {
  const dumps = await Promise.all(
    ENGINES.map(async (engine) => JSON.parse((await read(engine, '/config_dump?include_eds')).text)),
  );
  const [own, envoy] = dumps.map(
    ({ configs }) => new Map(configs.map((one: Record<string, unknown>) => [one['@type'], one])),
  );
  for (const [type, dump] of own!) {
    const difference = differences(shapeOf(dump), shapeOf(envoy!.get(type)), String(type));
    assert.deepEqual(
      difference.filter((one) => !one.includes('user_agent_version')),
      [],
    );
  }
  assert.deepEqual(
    [...envoy!.keys()].filter((type) => !own!.has(type)),
    ['type.googleapis.com/envoy.admin.v3.ScopedRoutesConfigDump'],
  );
});

/** Names of the rows: what stands before the value. */
const keysOf = (text: string): Set<string> =>
  new Set(
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => line.replace(/::[^:]*$/, '').replaceAll(/127\.0\.0\.1:\d+/g, 'HOST')),
  );

test('the clusters as text have no row that Envoy has not', async () => {
  const [own, envoy] = await Promise.all(ENGINES.map(async (engine) => keysOf((await read(engine, '/clusters')).text)));
  assert.ok(own!.size > 20);
  // The share of requests to a backend that is not there.
  const strange = [...own!].filter((row) => !envoy!.has(row) && !row.startsWith('invalid-backend'));
  assert.deepEqual(strange, []);
});

const ANSWERS: Record<string, { path: string; method?: string; status: number; says?: RegExp }> = {
  readiness: { path: '/ready', status: 200, says: /^LIVE\n$/ },
  'a change by GET': { path: '/reset_counters', status: 405 },
  'a page that is not there': { path: '/nope', status: 404 },
  'a resource that is not there': {
    path: '/config_dump?resource=nope',
    status: 404,
    says: /nope not found in config dump/,
  },
  'a mask that fits nothing': { path: '/config_dump?mask=nope', status: 400 },
  'counters begin anew': { path: '/reset_counters', method: 'POST', status: 200, says: /^OK\n$/ },
  'failing health': { path: '/healthcheck/fail', method: 'POST', status: 200, says: /^OK\n$/ },
  'readiness after it': { path: '/ready', status: 503, says: /^DRAINING\n$/ },
  'health again': { path: '/healthcheck/ok', method: 'POST', status: 200, says: /^OK\n$/ },
  'readiness in the end': { path: '/ready', status: 200 },
  'the level of the log': {
    path: '/logging',
    method: 'POST',
    status: 200,
    says: /^active loggers:\n( {2}\S+: \w+\n)+/,
  },
};

test('both answer alike', async () => {
  for (const [what, { path, method = 'GET', status, says = /./ }] of Object.entries(ANSWERS)) {
    for (const engine of ENGINES) {
      const answer = await read(engine, path, { method });
      assert.equal(answer.status, status, `${what}: ${engine}`);
      assert.match(answer.text, says, `${what}: ${engine}`);
    }
  }
});

test('neither answers a page of another site, or a name that leads here by DNS', async () => {
  for (const engine of ENGINES) {
    assert.equal((await read(engine, '/config_dump', { headers: { origin: 'http://evil.test' } })).status, 403);
  }
});

for (const part of ['listeners', 'routes', 'clusters', 'endpoints', 'secrets']) {
  test(`weft proxy-config ${part} shows the same of both`, async () => {
    const tables = await Promise.all(
      ENGINES.map(async (engine) => {
        const { out, err, code } = await runWeft(['proxy-config', part, '--admin', `127.0.0.1:${admins.get(engine)}`]);
        assert.deepEqual([code, err], [0, '']);
        const lines = out
          .trim()
          .split('\n')
          .map((line) => line.trim().split(/ {2,}/));
        // Ports differ, names of Envoy's route tables are made of several, and TLS to backends is decided elsewhere.
        const plain = (cell: string) =>
          cell
            .replaceAll(/\d{5}/g, 'PORT')
            .replace(/^(Route: )?(gateway\/PORT)\/.*$/, '$1$2')
            .replace(/^mesh$/, 'none');
        // How many requests an endpoint had depends on when it is asked.
        const counts = part === 'endpoints' ? [3, 4] : [];
        return lines.map((line) => line.map((cell, i) => (counts.includes(i) ? '' : plain(cell))).join('  ')).sort();
      }),
    );
    assert.deepEqual(tables[0], tables[1]);
    assert.ok(tables[0]!.length > 1, 'there are rows');
  });
}
