// What the command line says of the state of resources, with the real control loop behind the API.
import { deepEqual, equal, match } from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Control, openControl } from '../../src/control/control.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { openTestApi, type TestApi } from '../fakes/api.ts';
import { runWeft, startWeft } from '../fakes/weft-process.ts';

let api: TestApi;
let control: Control;

before(async () => {
  api = await openTestApi();
  control = await openControl({ store: api.store, trustDomain: 'cluster.local', clock: systemClock, log: silentLog });
});

after(async () => {
  await control.close();
  await api.close();
});

const weft = (args: readonly string[], input = '') => runWeft(args, { dataDir: api.dataDir, input });

const service = `
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { ports: [{ name: http, port: 9080 }], selector: { app: reviews } }
`;

const route = (backend: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: reviews }
spec:
  parentRefs: [{ group: "", kind: Service, name: reviews, port: 9080 }]
  rules: [{ backendRefs: [{ name: ${backend}, port: 9080 }] }]
`;

test('apply says at once what was not accepted, and nothing when all is well', async () => {
  const bad = await weft(['apply', '-f', '-'], `${service}---${route('nowhere')}`);
  equal(bad.code, 0);
  match(bad.out, /httproute\.gateway\.networking\.k8s\.io\/reviews created\n$/);
  match(
    bad.err,
    /^warning: httproute\.gateway\.networking\.k8s\.io\/reviews: parent Service\/reviews:9080: ResolvedRefs=False \(BackendNotFound\): .*nowhere.*\n$/,
  );
  const good = await weft(['apply', '-f', '-'], route('reviews'));
  deepEqual([good.code, good.err], [0, '']);
  match(good.out, /reviews configured\n$/);
});

test('a part of a policy that does not count is said', async () => {
  const policy = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: custom }
spec: { action: CUSTOM, provider: { name: x }, rules: [{}] }
`;
  const { code, err } = await weft(['apply', '-f', '-'], policy);
  equal(code, 0);
  match(err, /^warning: authorizationpolicy\.security\.istio\.io\/custom: Accepted=/);
});

test('describe shows conditions with their reasons, and the workloads of a service', async () => {
  const session = control.workloads.connect({
    id: 'sidecar~127.0.0.1~reviews-v1.default~default.svc.cluster.local',
    role: 'sidecar',
    engine: 'weft',
    name: 'reviews-v1',
    namespace: 'default',
    serviceAccount: 'reviews',
    labels: { app: 'reviews', version: 'v1' },
    inbound: { address: '127.0.0.1', port: 15006 },
    localPorts: [],
    ports: { http: 9080 },
    appAddress: '127.0.0.1',
  });
  const watch = startWeft(['get', 'workloads', '-w'], { dataDir: api.dataDir });
  session.setHealth(true);
  await watch.shows(/\nreviews-v1 .* Healthy /);
  session.setHealth(false, 'port 9080 does not answer');
  await watch.shows(/\nreviews-v1 .* Unhealthy /);
  const described = await weft(['describe', 'svc', 'reviews']);
  match(
    described.out,
    /\nWorkloads:\n {2}NAME +IDENTITY +ADDRESS +HEALTH\n {2}reviews-v1 +.*127\.0\.0\.1:15006 +Unhealthy\n/,
  );
  match(described.out, /\nRoutes:\n {2}HTTPRoute default\/reviews\n/);
  const workload = await weft(['describe', 'workload', 'reviews-v1']);
  match(workload.out, /\nConditions:\n {2}Healthy {2}False {4}.*port 9080 does not answer\n/);
  const shown = await weft(['describe', 'httproute', 'reviews']);
  match(shown.out, /\nConditions:\n {2}parent Service\/reviews:9080\n {4}Accepted +True +Accepted/);
  session.close();
  await watch.shows(/\nreviews-v1 .* deleted\n/);
  watch.process.kill('SIGINT');
  equal((await watch.result).code, 130);
});
