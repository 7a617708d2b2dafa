// The API through an unmodified kubectl: what people and scripts do with it every day.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { openTestApi, type TestApi } from '../fakes/api.ts';
import { KUBECTL, kubectlMissing, openKubectl } from '../fakes/kubectl.ts';

const skip = kubectlMissing();

let t: TestApi;
before(async () => {
  t = await openTestApi();
});
after(() => t.close());

const { kubectl, succeeds, fails, environment } = openKubectl(() => t.dataDir);

const service = (port = 9080) => `apiVersion: v1
kind: Service
metadata:
  name: reviews
  labels: {app: reviews}
spec:
  selector: {app: reviews}
  ports:
    - {name: http, port: ${port}, targetPort: http}
`;

const route = (weight: number | string = 90) => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: split
spec:
  parentRefs:
    - {group: "", kind: Service, name: reviews, port: 9080}
  rules:
    - backendRefs:
        - {name: reviews-v1, port: 9080, weight: ${weight}}
        - {name: reviews-v2, port: 9080, weight: 10}
`;

/** A kubectl that goes on; `line` waits for one that matches. */
const running = (args: string) => {
  const child: ChildProcess = spawn(KUBECTL, args.split(' '), {
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const line = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`kubectl ${args} ended before ${pattern}`);
      if (pattern.test(value)) return value;
    }
  };
  return { line, stop: () => child.kill() };
};

test('kubectl', { skip }, async (suite) => {
  await suite.test('version and api-resources know the server', async () => {
    assert.match(await succeeds('version'), /Server Version: v1\.32\.0\+weft/);
    const resources = await succeeds('api-resources');
    assert.match(resources, /^httproutes +gateway\.networking\.k8s\.io\/v1 +true +HTTPRoute$/m);
    assert.match(await succeeds('get crds'), /^httproutes\.gateway\.networking\.k8s\.io +20/m);
    await succeeds('wait --for=condition=Established crd/gateways.gateway.networking.k8s.io');
    assert.match(resources, /^workloadentries +we,workload,workloads +networking\.istio\.io\/v1/m);
  });

  await suite.test('apply creates, leaves alone, and changes', async () => {
    const created = await succeeds('apply -f -', `${service()}---\n${route()}`);
    assert.equal(created, 'service/reviews created\nhttproute.gateway.networking.k8s.io/split created\n');
    assert.equal(await succeeds('apply -f -', service()), 'service/reviews unchanged\n');
    assert.match(await succeeds('apply -f -', route(80)), /split configured/);
    assert.equal(await succeeds('get httproute split -o jsonpath={.spec.rules[0].backendRefs[*].weight}'), '80 10');
    assert.equal(await succeeds('get httproute split -o jsonpath={.metadata.generation}'), '2');
  });

  await suite.test('apply takes away what the file no longer has', async () => {
    await succeeds(
      'apply -f -',
      service().replace('selector: {app: reviews}', 'selector: {app: reviews, version: v1}'),
    );
    await succeeds('apply -f -', service());
    assert.equal(await succeeds('get service reviews -o jsonpath={.spec.selector}'), '{"app":"reviews"}');
  });

  await suite.test('get prints tables, names and YAML', async () => {
    assert.match(
      await succeeds('get services'),
      /^NAME +TYPE .*PORT\(S\) +AGE\nreviews +ClusterIP .*9080\/TCP +\d+s\n$/,
    );
    assert.match(await succeeds('get svc,httproutes -A -o wide'), /NAMESPACE +NAME/);
    assert.equal(await succeeds('get svc -o name'), 'service/reviews\n');
    assert.match(await succeeds('get svc reviews -o yaml'), /resourceVersion: "\d+"/);
    assert.match(await succeeds('get all'), /reviews/);
    assert.match(
      await succeeds('get httproutes.v1beta1.gateway.networking.k8s.io split -o yaml'),
      /gateway\.networking\.k8s\.io\/v1beta1/,
    );
  });

  await suite.test('describe works, its events included', async () => {
    assert.match(await succeeds('describe service reviews'), /Selector: +app=reviews.*Events: +<none>/s);
    assert.match(await succeeds('describe httproute split'), /Kind: +HTTPRoute.*Weight: +80.*Events: +<none>/s);
    assert.match(await succeeds('describe namespace default'), /Name: +default/);
  });

  await suite.test('explain reads the schemas', async () => {
    const explained = await succeeds('explain httproute.spec.rules.backendRefs');
    assert.match(explained, /KIND: +HTTPRoute.*weight\t<integer>/s);
    assert.match(await succeeds('explain service.spec --recursive'), /targetPort/);
  });

  await suite.test('labels, selectors and field selectors', async () => {
    assert.equal(await succeeds('label service reviews tier=web'), 'service/reviews labeled\n');
    assert.equal(await succeeds('get svc -l tier=web -o name'), 'service/reviews\n');
    assert.equal(await succeeds('get svc -l tier!=web -o name'), '');
    assert.equal(await succeeds('get svc --field-selector metadata.name=reviews -o name'), 'service/reviews\n');
    await succeeds('annotate service reviews note=x');
    await succeeds('label service reviews tier-');
  });

  await suite.test('patches: strategic, merge and JSON', async () => {
    await succeeds('patch service reviews -p {"spec":{"ports":[{"port":9090,"name":"more"}]}}');
    assert.equal(await succeeds('get service reviews -o jsonpath={.spec.ports[*].name}'), 'http more');
    await succeeds('patch service reviews --type json -p [{"op":"remove","path":"/spec/ports/1"}]');
    await succeeds('patch httproute split --type merge -p {"spec":{"hostnames":["a.example"]}}');
    assert.equal(await succeeds('get httproute split -o jsonpath={.spec.hostnames[0]}'), 'a.example');
  });

  await suite.test('replace with a stale version conflicts', async () => {
    const present = await succeeds('get service reviews -o yaml');
    assert.equal(
      await succeeds('replace -f -', present.replace('port: 9080', 'port: 9081')),
      'service/reviews replaced\n',
    );
    assert.match(await fails('replace -f -', present), /the object has been modified/);
  });

  await suite.test('edit opens the object and writes it back', async () => {
    const script = join(t.dataDir, 'editor.sh');
    writeFileSync(script, '#!/bin/sh\nsed -i.bak "s/9081/9082/" "$1"\n', { mode: 0o755 });
    assert.equal(await succeeds('edit service reviews', '', { KUBE_EDITOR: script }), 'service/reviews edited\n');
    assert.equal(await succeeds('get service reviews -o jsonpath={.spec.ports[0].port}'), '9082');
  });

  await suite.test('a server-side dry run and a diff change nothing', async () => {
    assert.match(await succeeds('apply --dry-run=server -f -', service(7000)), /configured \(server dry run\)/);
    const diff = await kubectl('diff -f -', service(7000));
    assert.equal(diff.code, 1, diff.err);
    assert.match(diff.out, /^\+ +port: 7000$/m);
    assert.equal(await succeeds('get service reviews -o jsonpath={.spec.ports[0].port}'), '9082');
  });

  await suite.test('get -w follows changes', async () => {
    const watching = running('get services -w');
    await watching.line(/^reviews /);
    await succeeds('apply -f -', service(9083));
    await watching.line(/9083\/TCP/);
    await succeeds('create service clusterip watched --tcp=80:80');
    await watching.line(/^watched /);
    watching.stop();
  });

  await suite.test('wait sees a condition', async () => {
    const waiting = succeeds('wait service/reviews --for=jsonpath={.metadata.labels.ready}=yes --timeout=30s');
    await succeeds('label service reviews ready=yes');
    assert.match(await waiting, /condition met/);
  });

  await suite.test('create makes namespaces, accounts, secrets, services and tokens', async () => {
    await succeeds('create namespace shop');
    await succeeds('create serviceaccount front -n shop');
    await succeeds('create secret generic keys --from-literal=a=b -n shop');
    assert.match(await succeeds('get secrets -n shop'), /^NAME +TYPE +DATA +AGE\nkeys +Opaque +1 /);
    await succeeds('create service clusterip two --tcp=80:8080 --tcp=81:named -n shop');
    assert.equal(await succeeds('get svc two -n shop -o jsonpath={.spec.ports[*].targetPort}'), '8080 named');
    const token = (await succeeds('create token front -n shop --duration 1h')).trim();
    assert.equal((await t.tokens.verify(token, 'weft-ca')).name, 'system:serviceaccount:shop:front');
    assert.match(await fails('create serviceaccount x -n nowhere'), /namespaces "nowhere" not found; create it first/);
  });

  await suite.test('auth knows who asks and what they may', async () => {
    assert.match(await succeeds('auth whoami'), /Username +admin/);
    assert.equal(await succeeds('auth can-i get services'), 'yes\n');
  });

  await suite.test('deleting a namespace waits until its content is gone', async () => {
    assert.equal(await succeeds('delete namespace shop'), 'namespace "shop" deleted\n');
    assert.equal(await succeeds('get serviceaccounts -A -o name'), '');
    assert.match(await fails('delete namespace default'), /this namespace may not be deleted/);
  });

  await suite.test('mistakes are named', async () => {
    assert.match(await fails('apply -f -', route('heavy')), /backendRefs\[0\]\.weight: must be a whole number/);
    const typo = route().replace('weight: 90', 'wieght: 90');
    assert.match(
      await fails('apply -f -', typo),
      /unknown field "spec\.rules\[0\]\.backendRefs\[0\]\.wieght" \(did you mean "weight"\?\)/,
    );
    const warned = await kubectl('apply --validate=warn -f -', typo.replace('name: split', 'name: typo'));
    assert.equal(warned.code, 0);
    assert.match(warned.err, /^Warning: unknown field "spec\.rules\[0\]\.backendRefs\[0\]\.wieght"/);
    assert.match(await fails('get service nope'), /services "nope" not found/);
    assert.match(await fails('get daemonsets'), /doesn't have a resource type "daemonsets"/);
  });

  await suite.test('a wrong token is said so', async () => {
    assert.match(await fails('get services --token abc'), /You must be logged in to the server \(this is not a token/);
  });

  await suite.test('delete by file and by selector', async () => {
    assert.equal(await succeeds('delete -f -', route()), 'httproute.gateway.networking.k8s.io "split" deleted\n');
    await succeeds('delete httproute --all');
    await succeeds('delete svc -l app=reviews');
    assert.equal(await succeeds('get svc -o name'), 'service/watched\n');
  });
});
