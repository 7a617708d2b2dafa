import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { openServer } from '../../../test/fakes/http-server.ts';
import { FakeAuthority } from '../../../test/fakes/mesh-ca.ts';
import {
  chain,
  cluster,
  endpoint,
  forward,
  httpHandler,
  listener,
  type ProxyUnderTest,
  route,
  snapshot,
  startProxy,
  toBackend,
} from '../../../test/fakes/proxy-under-test.ts';
import { type RawPeer, rawClient, rawServer, until } from '../../../test/fakes/raw-peer.ts';
import { systemClock } from '../../lib/clock.ts';
import { isWeftError } from '../../lib/errors.ts';
import { type LevelSwitch, switchedLog } from '../../lib/log.ts';
import type { Endpoint } from '../../model/snapshot.ts';
import type { ProxyOptions } from '../proxy.ts';
import { openAdmin } from './admin.ts';
import type { AdminControl } from './page.ts';
import type { Admin } from './server.ts';

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const ask = (
  port: number,
  path: string,
  {
    method = 'GET',
    headers = {},
    body = '',
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body: text }),
      );
    });
    call.on('error', reject);
    call.end(body);
  });

interface Histograms {
  readonly supported_quantiles: readonly number[];
  readonly computed_quantiles: readonly { readonly values: readonly unknown[] }[];
}

interface Setup {
  readonly proxy: ProxyUnderTest;
  readonly admin: Admin;
  readonly logLevel: LevelSwitch;
  get(path: string): Promise<Reply>;
  json(path: string): Promise<Record<string, unknown>>;
}

const observed = async (t: TestContext, proxy: ProxyUnderTest): Promise<Setup> => {
  const logLevel: LevelSwitch = { level: 'info' };
  const admin = await openAdmin({ inspect: () => proxy.proxy.inspect(), clock: systemClock, logLevel, port: 0 });
  t.after(async () => {
    await admin.close();
    await proxy.close();
  });
  const get = (path: string) => ask(admin.port, path);
  return {
    proxy,
    admin,
    logLevel,
    get,
    json: async (path) => JSON.parse((await get(path)).body) as Record<string, unknown>,
  };
};

const withBackend = async (t: TestContext, more: Partial<Endpoint> = {}, options: Partial<ProxyOptions> = {}) => {
  const backend = await openServer((req, res) => {
    res.statusCode = req.url === '/missing' ? 404 : 200;
    res.end('ok');
  });
  t.after(() => backend.close());
  return { backend, ...(await observed(t, await startProxy(toBackend([endpoint(backend.port, more)]), options))) };
};

const exchange = async (client: RawPeer, path: string): Promise<void> => {
  client.write(`GET ${path} HTTP/1.1\r\nHost: x.test\r\n\r\n`);
  await client.take('\r\n\r\nok');
};

test('counts stand under the names that Envoy gives them', async (t) => {
  const { proxy, get, json } = await withBackend(t);
  const client = await rawClient(proxy.port());
  await exchange(client, '/');
  await exchange(client, '/missing');
  await proxy.event(1);
  const place = `listener.127.0.0.1_${proxy.port()}`;
  const { body } = await get('/stats');
  for (const line of [
    'http.gateway.downstream_rq_total: 2',
    'http.gateway.downstream_rq_2xx: 1',
    'http.gateway.downstream_rq_4xx: 1',
    'http.gateway.downstream_rq_completed: 2',
    'http.gateway.downstream_rq_active: 0',
    'http.inbound.downstream_rq_total: 0',
    'cluster.b.upstream_rq_total: 2',
    'cluster.b.upstream_cx_total: 1',
    'cluster.b.upstream_cx_active: 1',
    'cluster.b.upstream_rq_pending_overflow: 0',
    'cluster.b.membership_total: 1',
    `${place}.downstream_cx_total: 1`,
    `${place}.downstream_cx_active: 1`,
    'server.live: 1',
  ])
    assert.ok(body.includes(`${line}\n`), `${line}\n${body}`);
  const used = await get('/stats?usedonly&filter=^http\\..*rq_.xx$');
  assert.equal(used.body, 'http.gateway.downstream_rq_2xx: 1\nhttp.gateway.downstream_rq_4xx: 1\n');
  assert.deepEqual(await json('/stats?format=json&filter=cluster.b.upstream_rq_total'), {
    stats: [{ name: 'cluster.b.upstream_rq_total', value: 2 }],
  });
  client.destroy();
});

test('Prometheus gets each family once, with the names in labels', async (t) => {
  const { get } = await withBackend(t);
  const { body, type } = await get('/stats/prometheus');
  assert.match(type, /^text\/plain; version=0\.0\.4/);
  assert.match(
    body,
    /# TYPE envoy_cluster_upstream_rq_total counter\nenvoy_cluster_upstream_rq_total\{envoy_cluster_name="b"\} 0\n/,
  );
  assert.match(
    body,
    /\nenvoy_http_downstream_rq_xx\{envoy_response_code_class="2",envoy_http_conn_manager_prefix="gateway"\} 0\n/,
  );
  assert.match(body, /\nenvoy_server_live\{\} 1\n/);
  const families = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  assert.equal(new Set(families).size, families.length);
  assert.equal((await get('/stats?format=prometheus')).body.split('\n').length, body.split('\n').length);
});

test('what goes wrong upstream is counted', async (t) => {
  const gone = await rawServer();
  await gone.close();
  const backend = await rawServer();
  t.after(() => backend.close());
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([chain(httpHandler())])],
      routes: [
        route(forward('dead'), { match: { path: { type: 'prefix', value: '/dead' }, headers: [], queryParams: [] } }),
        route(forward('full')),
      ],
      clusters: [
        cluster('dead', [endpoint(gone.port)]),
        cluster('full', [endpoint(backend.port)], { maxConnections: 1, maxPendingRequests: 0 }),
      ],
    }),
  );
  const { get } = await observed(t, proxy);
  const first = await rawClient(proxy.port());
  const second = await rawClient(proxy.port());
  first.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await (await backend.peer(0)).take('\r\n\r\n');
  second.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await second.take('too many requests wait for this upstream\n');
  second.write('GET /dead HTTP/1.1\r\nHost: x\r\n\r\n');
  await second.take('upstream connect error');
  await proxy.event(1);
  const { body } = await get('/stats?usedonly');
  for (const line of [
    'cluster.full.upstream_rq_pending_overflow: 1',
    'cluster.full.upstream_rq_active: 1',
    'cluster.dead.upstream_cx_connect_fail: 1',
    'http.gateway.downstream_rq_5xx: 2',
    'http.gateway.downstream_rq_active: 1',
  ])
    assert.ok(body.includes(`${line}\n`), `${line}\n${body}`);
  first.destroy();
  second.destroy();
});

test('listeners and clusters are listed as text and as JSON', async (t) => {
  const locality = { region: 'r', zone: 'z', subzone: 's' };
  const { proxy, backend, get, json } = await withBackend(t, { health: 'unhealthy', weight: 3, locality });
  assert.equal((await get('/listeners')).body, `l::127.0.0.1:${proxy.port()}\n`);
  assert.deepEqual(await json('/listeners?format=json'), {
    listener_statuses: [
      { name: 'l', local_address: { socket_address: { address: '127.0.0.1', port_value: proxy.port() } } },
    ],
  });
  const { body } = await get('/clusters');
  const host = `b::127.0.0.1:${backend.port}`;
  for (const line of [
    'b::default_priority::max_connections::100',
    `${host}::cx_active::0`,
    `${host}::rq_total::0`,
    `${host}::health_flags::/failed_eds_health`,
    `${host}::weight::3`,
    `${host}::sub_zone::s`,
  ])
    assert.ok(body.includes(`${line}\n`), `${line}\n${body}`);
  const [status] = (await json('/clusters?format=json')).cluster_statuses as Record<string, unknown>[];
  assert.equal(status?.name, 'b');
  const [shown] = (status?.host_statuses ?? []) as Record<string, unknown>[];
  assert.deepEqual(shown?.health_status, { eds_health_status: 'UNHEALTHY', failed_eds_health: true });
  assert.deepEqual(shown?.locality, { region: 'r', zone: 'z', sub_zone: 's' });
});

test('certificates and configuration are shown without a private key', async (t) => {
  const authority = new FakeAuthority();
  const svid = authority.source('spiffe://cluster.local/ns/default/sa/a');
  const given = authority.issue({ dnsNames: ['shop.test'] });
  const { json, get, proxy } = await withBackend(t, {}, { svid });
  await proxy.proxy.apply({
    ...toBackend([endpoint(1)]),
    revision: 7,
    secrets: new Map([['shop', { name: 'shop', ...given }]]),
  });
  const { certificates } = (await json('/certs')) as { certificates: Record<string, Record<string, unknown>[]>[] };
  assert.deepEqual(
    certificates.map(({ cert_chain }) => [cert_chain![0]!.path, cert_chain![0]!.subject_alt_names]),
    [
      ['default', [{ uri: 'spiffe://cluster.local/ns/default/sa/a' }]],
      ['shop', [{ dns: 'shop.test' }]],
    ],
  );
  assert.match(String(certificates[0]!.ca_cert![0]!.serial_number), /^[0-9a-f]+$/);
  assert.equal(certificates[0]!.cert_chain![0]!.days_until_expiration, '0');
  const { configs } = (await json('/config_dump?include_eds')) as { configs: Record<string, unknown>[] };
  assert.deepEqual(
    configs.map((config) => config['@type']),
    ['Bootstrap', 'Clusters', 'Endpoints', 'Listeners', 'Routes', 'Secrets'].map(
      (part) => `type.googleapis.com/envoy.admin.v3.${part}ConfigDump`,
    ),
  );
  assert.deepEqual([configs[1]!.version_info, configs[3]!.version_info], ['7', '7']);
  const secrets = configs.at(-1)!.dynamic_active_secrets as { name: string; secret: Record<string, unknown> }[];
  assert.deepEqual(
    secrets.map(({ name, secret }) => [name, secret.keyPem]),
    [
      ['default', '[redacted]'],
      ['ROOTCA', undefined],
      ['shop', '[redacted]'],
    ],
  );
  assert.equal(((await json('/config_dump')).configs as unknown[]).length, 5);
  for (const path of ['/config_dump?include_eds', '/certs', '/server_info', '/clusters', '/stats']) {
    assert.doesNotMatch((await get(path)).body, /PRIVATE KEY/, path);
  }
});

test('readiness follows the proxy from its first configuration to its drain', async (t) => {
  const { proxy, get, json } = await withBackend(t);
  assert.deepEqual(await get('/ready'), { status: 200, type: 'text/plain; charset=UTF-8', body: 'LIVE\n' });
  const info = await json('/server_info');
  assert.deepEqual([info.state, (info.node as { id: string }).id], ['LIVE', proxy.proxy.inspect().node.id]);
  assert.match(String(info.version), /^weft\/\d/);
  const client = await rawClient(proxy.port());
  await exchange(client, '/');
  const drained = proxy.proxy.drain(10_000);
  await until(() => proxy.proxy.inspect().state === 'DRAINING', 'the drain begins');
  assert.deepEqual([(await get('/ready')).status, (await get('/ready')).body], [503, 'DRAINING\n']);
  assert.ok((await get('/stats')).body.includes('server.live: 0\n'));
  client.destroy();
  await drained;
  assert.equal((await get('/ready')).status, 503);
});

test('before the first configuration it is not ready', async (t) => {
  const { proxy } = await withBackend(t);
  const inspection = { ...proxy.proxy.inspect(), state: 'PRE_INITIALIZING' as const, snapshot: undefined };
  const admin = await openAdmin({ inspect: () => inspection, clock: systemClock, port: 0 });
  t.after(() => admin.close());
  assert.deepEqual([(await ask(admin.port, '/ready')).status], [503]);
  assert.equal((await ask(admin.port, '/config_dump')).status, 200);
  assert.equal((await ask(admin.port, '/logging', { method: 'POST' })).status, 501);
});

test('the level of the log is told and changed by POST alone', async (t) => {
  const { admin, logLevel } = await withBackend(t);
  const post = (path: string) => ask(admin.port, path, { method: 'POST', body: 'level=debug' });
  assert.equal((await ask(admin.port, '/logging?level=debug')).status, 405);
  assert.equal((await post('/logging')).body, 'active loggers:\n  weft: info\n');
  assert.equal((await post('/logging?level=debug')).body, 'active loggers:\n  weft: debug\n');
  assert.equal(logLevel.level, 'debug');
  await post('/logging?level=warning');
  assert.equal(logLevel.level, 'warn');
  for (const bad of ['loud', 'constructor', '']) assert.equal((await post(`/logging?level=${bad}`)).status, 400);
  assert.equal((await post('/logging?paths=a')).status, 400);
  assert.equal(logLevel.level, 'warn');
});

const REFUSED: Record<string, { path: string; method?: string; headers?: Record<string, string>; status: number }> = {
  'a name that leads here by DNS': { path: '/config_dump', headers: { host: 'evil.test' }, status: 403 },
  'a name that begins as an address': { path: '/stats', headers: { host: '127.0.0.1.evil.test' }, status: 403 },
  'a page of another site': { path: '/stats', headers: { origin: 'http://evil.test' }, status: 403 },
  'a page of another site that changes something': {
    path: '/logging?level=debug',
    method: 'POST',
    headers: { 'sec-fetch-site': 'cross-site' },
    status: 403,
  },
  'a page that is not there': { path: '/cpuprofiler', method: 'POST', status: 404 },
  'a change that this proxy can not make': { path: '/quitquitquit', method: 'POST', status: 501 },
  'a change by GET': { path: '/quitquitquit', status: 405 },
  'a page by the name of a property': { path: '/constructor', status: 404 },
  'another method': { path: '/stats', method: 'DELETE', status: 405 },
  'a parameter that it does not know': { path: '/config_dump?only=x', status: 400 },
  'a mask that fits nothing': { path: '/config_dump?mask=x', status: 400 },
  'a resource that is not there': { path: '/config_dump?resource=dynamic_scopes', status: 404 },
  'a kind of counts that there is not': { path: '/stats?type=TextReadouts', status: 400 },
  'a format that it does not know': { path: '/clusters?format=yaml', status: 400 },
  'a filter that is no pattern': { path: '/stats?filter=(', status: 400 },
  'a filter without end': { path: `/stats?filter=${'a'.repeat(2000)}`, status: 400 },
};

for (const [what, { path, status, ...how }] of Object.entries(REFUSED)) {
  test(`refuses ${what}`, async (t) => {
    const { admin } = await withBackend(t);
    const reply = await ask(admin.port, path, how);
    assert.equal(reply.status, status, reply.body);
  });
}

test('the list of pages names every one, and a loopback name reaches it', async (t) => {
  const { admin } = await withBackend(t);
  const { body } = await ask(admin.port, '/help', { headers: { host: `localhost:${admin.port}` } });
  for (const path of ['/certs', '/clusters', '/config_dump', '/help', '/listeners', '/logging', '/ready', '/stats']) {
    assert.match(body, new RegExp(`^  ${path}( \\(POST\\))?: `, 'm'), path);
  }
  assert.equal((await ask(admin.port, '/')).body, body);
});

test('times of requests are told as Envoy tells them, and begin anew when counters are reset', async (t) => {
  const { proxy, get, json } = await withBackend(t);
  assert.match((await get('/stats?filter=rq_time$')).body, /^cluster\.b\.upstream_rq_time: No recorded values\n/);
  const client = await rawClient(proxy.port());
  await exchange(client, '/');
  await proxy.event(0);
  const { body } = await get('/stats?type=Histograms&usedonly');
  const times = /(?:P[\d.]+\(nan,[\d.]+\) ?){10}\n/;
  assert.match(
    body,
    new RegExp(`^cluster\\.b\\.upstream_rq_time: ${times.source}http\\.gateway\\.downstream_rq_time: ${times.source}$`),
  );
  const { stats } = (await json('/stats?format=json&filter=upstream_rq_time$')) as {
    stats: { histograms: Histograms }[];
  };
  const { supported_quantiles, computed_quantiles } = stats[0]!.histograms;
  assert.equal(supported_quantiles.length, computed_quantiles[0]!.values.length);
  const prometheus = (await get('/stats/prometheus?filter=upstream_rq_time$')).body;
  assert.match(prometheus, /^# TYPE envoy_cluster_upstream_rq_time histogram\n/);
  assert.match(prometheus, /_bucket\{envoy_cluster_name="b",le="\+Inf"\} 1\n.*_sum\{\S+\} \d+\n.*_count\{\S+\} 1\n$/s);
  proxy.proxy.resetCounters();
  assert.equal((await get('/stats?usedonly&type=Counters')).body, '');
  assert.match((await get('/stats?filter=upstream_rq_time$')).body, /No recorded values/);
  assert.ok((await get('/stats')).body.includes('cluster.b.upstream_cx_active: 1\n'), 'gauges stay');
  client.destroy();
});

test('the configuration is shown in parts: by list, by name, by field', async (t) => {
  const { json } = await withBackend(t);
  const listener = 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump';
  assert.deepEqual(await json('/config_dump?resource=dynamic_listeners&mask=name,active_state.version_info'), {
    configs: [{ '@type': `${listener}.DynamicListener`, name: 'l', active_state: { version_info: '1' } }],
  });
  assert.deepEqual(await json('/config_dump?resource=dynamic_listeners&name_regex=x'), { configs: [] });
  assert.deepEqual(await json('/config_dump?mask=dynamic_listeners.name'), {
    configs: [{ '@type': listener, dynamic_listeners: [{ name: 'l' }] }],
  });
});

test('pages that change something do so by POST', async (t) => {
  const { proxy } = await withBackend(t);
  const done: unknown[] = [];
  const control: AdminControl = {
    setHealthy: (isHealthy) => done.push(isHealthy),
    drainListeners: (how) => done.push(how),
    resetCounters: () => done.push('reset'),
    quit: () => done.push('quit'),
  };
  const admin = await openAdmin({ inspect: () => proxy.proxy.inspect(), clock: systemClock, control, port: 0 });
  t.after(() => admin.close());
  for (const path of [
    '/healthcheck/fail',
    '/healthcheck/ok',
    '/drain_listeners?inboundonly&graceful',
    '/reset_counters',
    '/quitquitquit',
  ])
    assert.deepEqual(await ask(admin.port, path, { method: 'POST' }), {
      status: 200,
      type: 'text/plain; charset=UTF-8',
      body: 'OK\n',
    });
  assert.deepEqual(done, [false, true, { inboundOnly: true, graceful: true }, 'reset', 'quit']);
});

test('components of the log have levels of their own', async (t) => {
  const { proxy } = await withBackend(t);
  const { log, logLevel } = switchedLog('proxy', 'warn');
  log.child('xds');
  const admin = await openAdmin({ inspect: () => proxy.proxy.inspect(), clock: systemClock, logLevel, port: 0 });
  t.after(() => admin.close());
  const post = async (query: string) => (await ask(admin.port, `/logging?${query}`, { method: 'POST' })).body;
  const shown = (...lines: string[]) => `active loggers:\n${lines.map((line) => `  ${line}\n`).join('')}`;
  assert.equal(await post('paths=proxy/xds:debug'), shown('weft: warn', 'proxy: warn', 'proxy/xds: debug'));
  assert.match(await post('paths=proxy/none:debug'), /^there is no logger/);
  assert.match(await post('paths=proxy:loud'), /is not one of/);
  assert.equal(await post('level=error'), shown('weft: error', 'proxy: error', 'proxy/xds: error'));
});

test('a port that another has is named with its flag', async (t) => {
  const { admin, proxy } = await withBackend(t);
  await assert.rejects(
    openAdmin({ inspect: () => proxy.proxy.inspect(), clock: systemClock, port: admin.port }),
    (error) => isWeftError(error, 'PORT_TAKEN') && /--admin-port/.test(error.hint ?? ''),
  );
});
