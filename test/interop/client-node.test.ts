// The API through @kubernetes/client-node, informer included.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  ApiException,
  AuthenticationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  type V1Service,
} from '@kubernetes/client-node';
import { openTestApi, type TestApi } from '../fakes/api.ts';

let t: TestApi;
const config = new KubeConfig();
before(async () => {
  t = await openTestApi();
  config.loadFromFile(`${t.dataDir}/kubeconfig`);
});
after(() => t.close());

const namespace = 'default';
const serviceNamed = (name: string): V1Service => ({
  metadata: { name, labels: { app: name } },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }] },
});

test('core objects: create, read, list, replace, delete', async () => {
  const core = config.makeApiClient(CoreV1Api);
  const created = await core.createNamespacedService({ namespace, body: serviceNamed('one') });
  assert.ok(created.metadata?.uid);
  const read = await core.readNamespacedService({ namespace, name: 'one' });
  assert.equal(read.spec?.ports?.[0]?.port, 80);
  const listed = await core.listNamespacedService({ namespace, labelSelector: 'app=one' });
  assert.deepEqual(
    listed.items.map((item) => item.metadata?.name),
    ['one'],
  );
  read.spec!.ports![0]!.port = 81;
  await core.replaceNamespacedService({ namespace, name: 'one', body: read });
  await assert.rejects(
    core.replaceNamespacedService({ namespace, name: 'one', body: read }),
    (error) => error instanceof ApiException && error.code === 409,
  );
  await core.deleteNamespacedService({ namespace, name: 'one' });
  await assert.rejects(
    core.readNamespacedService({ namespace, name: 'one' }),
    (error) => error instanceof ApiException && error.code === 404,
  );
});

test('custom objects: create, status, list in pages', async () => {
  const custom = config.makeApiClient(CustomObjectsApi);
  const target = { group: 'gateway.networking.k8s.io', version: 'v1', plural: 'gatewayclasses' };
  for (const name of ['a', 'b', 'c']) {
    const body = { metadata: { name }, spec: { controllerName: 'example.dev/controller' } };
    await custom.createClusterCustomObject({ ...target, body });
  }
  const first = await custom.listClusterCustomObject({ ...target, limit: 2 });
  assert.equal(first.items.length, 2);
  const second = await custom.listClusterCustomObject({
    ...target,
    limit: 2,
    _continue: first.metadata._continue ?? first.metadata.continue,
  });
  assert.deepEqual(
    second.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    ['c'],
  );
});

test('the generic client finds kinds by discovery and patches', async () => {
  const objects = KubernetesObjectApi.makeApiClient(config);
  const body = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'deny', namespace },
    spec: {},
  };
  await objects.create(body);
  const patched = await objects.patch({ ...body, metadata: { ...body.metadata, labels: { a: 'b' } } });
  assert.deepEqual(patched.metadata?.labels, { a: 'b' });
  await objects.delete(body);
});

test('tokens for service accounts', async () => {
  const core = config.makeApiClient(CoreV1Api);
  await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'front' } } });
  const answer = await core.createNamespacedServiceAccountToken({
    namespace,
    name: 'front',
    body: { spec: { audiences: ['weft-ca'], expirationSeconds: 600 } },
  });
  assert.equal(
    (await t.tokens.verify(answer.status?.token ?? '', 'weft-ca')).name,
    'system:serviceaccount:default:front',
  );
  const review = await config.makeApiClient(AuthenticationV1Api).createSelfSubjectReview({ body: {} });
  assert.equal(review.status?.userInfo?.username, 'admin');
});

/** Events of an informer as a test waits for them. */
const eventLog = () => {
  const seen: string[] = [];
  let wake = () => {};
  return {
    push: (event: string) => {
      seen.push(event);
      wake();
    },
    until: async (event: string) => {
      while (!seen.includes(event)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
};

test('an informer sees what is there, what comes, what changes and what goes', async () => {
  const core = config.makeApiClient(CoreV1Api);
  await core.createNamespacedService({ namespace, body: serviceNamed('before') });
  const informer = makeInformer(config, `/api/v1/namespaces/${namespace}/services`, () =>
    core.listNamespacedService({ namespace }),
  );
  const events = eventLog();
  informer.on('add', (object) => events.push(`add ${object.metadata?.name}`));
  informer.on('update', (object) => events.push(`update ${object.metadata?.name} ${object.spec?.ports?.[0]?.port}`));
  informer.on('delete', (object) => events.push(`delete ${object.metadata?.name}`));
  informer.on('error', (error) => events.push(`error ${error}`));
  await informer.start();
  await events.until('add before');
  const created = await core.createNamespacedService({ namespace, body: serviceNamed('later') });
  await events.until('add later');
  created.spec!.ports![0]!.port = 90;
  await core.replaceNamespacedService({ namespace, name: 'later', body: created });
  await events.until('update later 90');
  await core.deleteNamespacedService({ namespace, name: 'later' });
  await events.until('delete later');
  assert.ok(informer.get('before', namespace));
  await informer.stop();
});

test('an informer whose version was compacted away lists again and goes on', async () => {
  const core = config.makeApiClient(CoreV1Api);
  let lists = 0;
  const informer = makeInformer(config, `/api/v1/namespaces/${namespace}/services`, async () => {
    const list = await core.listNamespacedService({ namespace });
    // By the time the first watch begins, its revision is gone.
    if (++lists === 1) {
      await core.createNamespacedService({ namespace, body: serviceNamed('between') });
      await t.store.compact(t.store.revision());
    }
    return list;
  });
  const events = eventLog();
  informer.on('add', (object) => events.push(`add ${object.metadata?.name}`));
  informer.on('error', (error) => events.push(`error ${error}`));
  await informer.start();
  await events.until('add between');
  assert.ok(lists >= 2);
  await informer.stop();
});
