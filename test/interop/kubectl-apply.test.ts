// Server-side apply through an unmodified kubectl: conflicts, force, diff, and the way over from client-side apply.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openTestApi, type TestApi } from '../fakes/api.ts';
import { kubectlMissing, openKubectl } from '../fakes/kubectl.ts';

const skip = kubectlMissing();

let t: TestApi;
before(async () => {
  t = await openTestApi();
});
after(() => t.close());

const gateway = (port: number, more = '') => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec:
  gatewayClassName: weft
  listeners:
    - {name: http, port: ${port}, protocol: HTTP}
${more}`;

const service = (target: number) => `
apiVersion: v1
kind: Service
metadata: {name: backend, labels: {tier: a}}
spec:
  selector: {app: backend}
  ports: [{name: http, port: 80, targetPort: ${target}}]
`;

test('kubectl apply --server-side', { skip }, async (suite) => {
  const { kubectl, succeeds, fails } = openKubectl(() => t.dataDir);
  const port = () => succeeds('get gateway front -o jsonpath={.spec.listeners[?(@.name=="http")].port}');

  await suite.test('creates, says when nothing changes, and changes', async () => {
    const line = 'gateway.gateway.networking.k8s.io/front serverside-applied\n';
    assert.equal(await succeeds('apply --server-side -f -', gateway(80)), line);
    const version = await succeeds('get gateway front -o jsonpath={.metadata.resourceVersion}');
    assert.equal(await succeeds('apply --server-side -f -', gateway(80)), line);
    assert.equal(await succeeds('get gateway front -o jsonpath={.metadata.resourceVersion}'), version);
    await succeeds('apply --server-side -f -', gateway(81));
    assert.equal(await port(), '81');
  });

  await suite.test('names the manager and the field of a conflict, and --force-conflicts takes them', async () => {
    await succeeds('apply --server-side -f -', gateway(80));
    const err = await fails('apply --server-side --field-manager other -f -', gateway(90));
    assert.match(err, /Apply failed with 1 conflict: conflict with "kubectl": \.spec\.listeners\[name="http"\]\.port/);
    assert.match(err, /re-run the apply\s+command with the `--force-conflicts` flag/);
    await succeeds('apply --server-side --field-manager other --force-conflicts -f -', gateway(90));
    assert.equal(await port(), '90');
    const fields = await succeeds('get gateway front -o yaml --show-managed-fields');
    assert.match(fields, /manager: other\n +operation: Apply/);
    assert.doesNotMatch(await succeeds('get gateway front -o yaml'), /managedFields/);
  });

  await suite.test('a listener of another manager stays, and goes with its own', async () => {
    const names = () => succeeds('get gateway front -o jsonpath={.spec.listeners[*].name}');
    await succeeds('apply --server-side --force-conflicts -f -', gateway(80));
    const more = '    - {name: more, port: 82, protocol: HTTP}\n';
    await succeeds('apply --server-side --field-manager team --force-conflicts -f -', gateway(80, more));
    await succeeds('apply --server-side -f -', gateway(80));
    assert.equal(await names(), 'http more');
    await succeeds('apply --server-side --field-manager team -f -', gateway(80));
    assert.equal(await names(), 'http');
  });

  await suite.test('diff --server-side shows what would change, and changes nothing', async () => {
    const diff = await kubectl('diff --server-side --force-conflicts -f -', gateway(99));
    assert.equal(diff.code, 1, diff.err);
    assert.match(diff.out, /^\+ +port: 99$/m);
    assert.equal(await port(), '80');
    assert.match(
      await succeeds('apply --server-side --dry-run=server --force-conflicts -f -', gateway(99)),
      /\(server dry run\)/,
    );
    assert.equal(await port(), '80');
  });

  await suite.test('takes over what kubectl applied client-side, without conflict', async () => {
    await succeeds('apply -f -', service(80));
    assert.match(await succeeds('apply view-last-applied service backend'), /targetPort: 80/);
    await succeeds('apply --server-side -f -', service(81));
    assert.equal(await succeeds('get service backend -o jsonpath={.spec.ports[*].targetPort}'), '81');
    assert.match(await succeeds('apply view-last-applied service backend'), /targetPort: 81/);
    const managers = await succeeds(
      'get service backend -o jsonpath={.metadata.managedFields[*].manager} --show-managed-fields',
    );
    assert.equal(managers, 'kubectl kubectl-last-applied');
    await succeeds('apply --server-side -f -', service(81).replace(', labels: {tier: a}', ''));
    assert.equal(await succeeds('get service backend -o jsonpath={.metadata.labels}'), '');
  });

  await suite.test('a mistake is named as with a client-side apply', async () => {
    const err = await fails('apply --server-side -f -', gateway(80).replace('protocol', 'protocoll'));
    assert.match(err, /unknown field "spec\.listeners\[0\]\.protocoll"|\.spec\.listeners\[name="http"\]\.protocoll/);
  });
});

test('kubectl with owners and finalizers', { skip }, async (suite) => {
  const { succeeds, fails } = openKubectl(() => t.dataDir);
  const map = (name: string, more = '') =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n${more}data: {a: b}\n`;
  const owned = async (name: string, owner: string) => {
    const uid = await succeeds(`get configmap ${owner} -o jsonpath={.metadata.uid}`);
    const reference = `  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: ${owner}, uid: "${uid}", blockOwnerDeletion: true}]\n`;
    await succeeds('create -f -', map(name, reference));
  };

  await suite.test('delete waits for dependents with --cascade=foreground', async () => {
    await succeeds('create -f -', map('owner'));
    await owned('dependent', 'owner');
    assert.equal(await succeeds('delete configmap owner --cascade=foreground'), 'configmap "owner" deleted\n');
    assert.match(await fails('get configmap dependent'), /configmaps "dependent" not found/);
  });

  await suite.test('delete leaves dependents with --cascade=orphan', async () => {
    await succeeds('create -f -', map('owner'));
    await owned('dependent', 'owner');
    await succeeds('delete configmap owner --cascade=orphan');
    assert.equal(await succeeds('get configmap dependent -o jsonpath={.metadata.ownerReferences}'), '');
  });

  await suite.test('a dependent goes with its owner', async () => {
    await succeeds('create -f -', map('owner'));
    await owned('child', 'owner');
    await succeeds('delete configmap owner');
    await succeeds('wait --for=delete configmap/child --timeout=30s');
  });

  await suite.test('a terminating namespace says so, and is finalized by hand', async () => {
    await succeeds('create namespace room');
    await succeeds('create -n room -f -', map('held', '  finalizers: [example.dev/wait]\n'));
    await succeeds('delete namespace room --wait=false');
    assert.match(await succeeds('get namespace room'), /Terminating/);
    assert.match(await fails('create -n room -f -', map('new')), /because it is being terminated/);
    const raw = '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"room"},"spec":{"finalizers":[]}}';
    await succeeds('replace --raw /api/v1/namespaces/room/finalize -f -', raw);
    assert.match(await fails('get namespace room'), /namespaces "room" not found/);
  });
});
