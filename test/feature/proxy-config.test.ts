// `weft proxy-config` against a running proxy whose control plane knows where its admin interface is.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GATEWAYS_PATH, gatewayListHandler } from '../../src/app/gateway-list.ts';
import { openProxyAdmin } from '../../src/app/proxy-admin.ts';
import { type Control, openControl } from '../../src/control/control.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import type { ProxyNode } from '../../src/model/node.ts';
import type { Admin } from '../../src/proxy/admin/server.ts';
import { storeKey } from '../../src/store/store.ts';
import { openTestApi, type TestApi } from '../fakes/api.ts';
import { openServer } from '../fakes/http-server.ts';
import { FakeAuthority } from '../fakes/mesh-ca.ts';
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
} from '../fakes/proxy-under-test.ts';
import { runWeft } from '../fakes/weft-process.ts';

const nodeNamed = (name: string): ProxyNode => ({
  id: `sidecar~127.0.0.1~${name}.default~default.svc.cluster.local`,
  role: 'sidecar',
  engine: 'weft',
  name,
  namespace: 'default',
  serviceAccount: 'reviews',
  labels: { app: 'reviews' },
  inbound: { address: '127.0.0.1', port: 15006 },
  localPorts: [],
  ports: { http: 9080 },
  appAddress: '127.0.0.1',
});

const RATINGS = 'outbound|9080||ratings.default.svc.cluster.local';

/** The control plane has written the entry of the workload. */
const registered = async (name: string): Promise<void> => {
  const key = storeKey('networking.istio.io', 'workloadentries', 'default', name);
  while (!(await api.store.get(key))) await new Promise((resolve) => setImmediate(resolve));
};

let api: TestApi;
let control: Control;
let proxy: ProxyUnderTest;
let admin: Admin;

before(async () => {
  api = await openTestApi(new Map([[GATEWAYS_PATH, gatewayListHandler(() => control.gateways())]]));
  control = await openControl({ store: api.store, trustDomain: 'cluster.local', clock: systemClock, log: silentLog });
  const svid = new FakeAuthority().source('spiffe://cluster.local/ns/default/sa/reviews');
  const first = snapshot({
    listeners: [listener([chain(httpHandler())], { name: 'outbound', direction: 'outbound' })],
    routes: [route(forward(RATINGS), { name: 'HTTPRoute/default/ratings/0/0' })],
    domains: ['ratings', 'ratings.default'],
    clusters: [cluster(RATINGS, [endpoint(9), endpoint(10, { health: 'unhealthy' })])],
  });
  proxy = await startProxy(first, { node: nodeNamed('reviews-v1'), svid });
  admin = await openProxyAdmin(proxy.proxy, { adminPort: 0 }, silentLog);
  const at = { address: admin.address, port: admin.port };
  control.workloads.connect({ ...nodeNamed('reviews-v1'), admin: at });
  control.workloads.connect({ ...nodeNamed('reviews-v2'), admin: at });
  // As far as the page can tell, a gateway with that proxy; and one whose port another proxy has now.
  control.workloads.connect({ ...nodeNamed('reviews-v1'), role: 'gateway', name: 'edge', admin: at });
  control.workloads.connect({ ...nodeNamed('other'), role: 'gateway', admin: at });
  control.workloads.connect(nodeNamed('by-envoy'));
  for (const name of ['reviews-v1', 'reviews-v2', 'by-envoy']) {
    await registered(name);
  }
});

after(async () => {
  await admin.close();
  await proxy.close();
  await control.close();
  await api.close();
});

const weft = (...args: string[]) => runWeft(args, { dataDir: api.dataDir });

const TABLES: Record<string, RegExp> = {
  listeners: /^NAME +ADDRESS +PORT +MATCH +DESTINATION\noutbound +127\.0\.0\.1 +0 +ALL +Route: all\n$/,
  routes:
    /^TABLE +DOMAINS +MATCH +ROUTE +DESTINATION\nall +ratings \+ 1 more +\/\* +HTTPRoute\/default\/ratings\/0\/0 +outbound\|9080\|\|ratings\.\S+\n$/,
  clusters:
    /^SERVICE FQDN +PORT +SUBSET +DIRECTION +TYPE +TLS +BALANCING\nratings\.default\.svc\.cluster\.local +9080 +- +outbound +STATIC +none +round-robin\n$/,
  endpoints:
    /^ENDPOINT +STATUS +WEIGHT +ACTIVE +TOTAL +CLUSTER\n127\.0\.0\.1:9 +HEALTHY +1 +0 +0 +outbound\S+\n127\.0\.0\.1:10 +UNHEALTHY +1 .*\n$/,
  secrets:
    /^NAME +TYPE +VALID +SERIAL NUMBER +NOT AFTER +NOT BEFORE\ndefault +Cert Chain +true +[0-9a-f]+ .*Z\nROOTCA +CA +true +[0-9a-f]+ .*Z\n$/,
};

for (const [part, table] of Object.entries(TABLES)) {
  test(`the ${part} of a workload's proxy are shown as a table and as JSON`, async () => {
    const shown = await weft('proxy-config', part, 'reviews-v1');
    deepEqual([shown.code, shown.err], [0, '']);
    match(shown.out, table);
    const json = await weft('proxy-config', part, '--admin', `127.0.0.1:${admin.port}`, '-o', 'json');
    ok((JSON.parse(json.out) as unknown[]).length > 0);
    ok(!json.out.includes('PRIVATE KEY'));
  });
}

test('a gateway is found by the name of its process', async () => {
  for (const namespace of ['default', 'elsewhere']) {
    const shown = await weft('proxy-config', 'listeners', 'edge', '-n', namespace);
    deepEqual([shown.code, shown.err], [0, '']);
    match(shown.out, TABLES.listeners!);
  }
  match((await weft('proxy-config', 'listeners', 'other')).err, /another proxy .* has that address here/);
});

test('each way in which it can fail is told apart', async () => {
  const other = await openServer((_, res) => res.end('hello'));
  const cases: [string[], number, RegExp][] = [
    [
      ['listener', 'reviews-v2'],
      1,
      /another proxy \(sidecar~.*reviews-v1.*\) has that address here \(PROXY_UNREACHABLE\)/,
    ],
    [
      ['listeners', 'by-envoy'],
      1,
      /tells of no admin interface \(PROXY_ADMIN_UNKNOWN\)\n {2}at: workload default\/by-envoy/,
    ],
    [['listeners', 'reviews-v3'], 1, /reviews-v3 does not exist in namespace default \(API_NOT_FOUND\)/],
    [['listeners', '--admin', `127.0.0.1:${other.port}`], 1, /is not JSON \(PROXY_ANSWER\)/],
    [['listeners', '--admin', 'example.com:80'], 2, /is not a loopback address with a port \(USAGE\)/],
    [['listeners'], 2, /name one workload, or an address with --admin \(USAGE\)/],
    [['listeners', 'reviews-v1', 'reviews-v2'], 2, /name one workload/],
    [['lisners', 'reviews-v1'], 2, /try: weft proxy-config listeners WORKLOAD/],
    [['listeners', 'reviews-v1', '-o', 'yaml'], 2, /-o yaml is not supported/],
  ];
  for (const [args, code, want] of cases) {
    const result = await weft('proxy-config', ...args);
    equal(result.code, code, args.join(' '));
    match(result.err, want);
  }
  await other.close();
  const gone = await weft('proxy-config', 'listeners', '--admin', `127.0.0.1:${other.port}`);
  match(gone.err, /the proxy's admin interface does not listen \(PROXY_UNREACHABLE\)/);
});
