// Pods, Deployments and Nodes through an unmodified kubectl, and the logs of a Pod from the kubelet of its node.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { openTestApi, type TestApi } from '../fakes/api.ts';
import { kubectlMissing, openKubectl } from '../fakes/kubectl.ts';
import { makeSelfSigned } from '../fakes/self-signed.ts';

const skip = kubectlMissing();

let t: TestApi;
let kubelet: Server;
before(async () => {
  t = await openTestApi();
  const { certPem, keyPem } = makeSelfSigned();
  kubelet = createServer({ cert: certPem, key: keyPem }, (request, response) => response.end(`asked ${request.url}\n`));
  await new Promise<void>((resolve) => kubelet.listen(0, '127.0.0.1', resolve));
});
after(async () => {
  kubelet.closeAllConnections();
  kubelet.close();
  await t.close();
});

const { succeeds, fails } = openKubectl(() => t.dataDir);

const MANIFESTS = `apiVersion: v1
kind: Node
metadata: {name: n1, labels: {node-role.kubernetes.io/worker: ""}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: app, image: "example.com/app:1", imagePullPolicy: Always, resources: {limits: {cpu: 1}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: app, image: "example.com/app:1"}]}
`;

const setStatus = (what: string, status: object) =>
  succeeds(`patch ${what} --subresource=status --type=merge -p ${JSON.stringify({ status })}`);

test('kubectl and Pods', { skip }, async (suite) => {
  await suite.test('apply takes them, with fields that Weft does not read', async () => {
    await succeeds('apply -f -', MANIFESTS);
    assert.match(await succeeds('apply -f -', MANIFESTS), /deployment\.apps\/web unchanged/);
    const policy = await succeeds('get deployment web -o jsonpath={.spec.template.spec.containers[0].imagePullPolicy}');
    assert.equal(policy, 'Always');
  });

  await suite.test('get shows their state', async () => {
    const { port } = kubelet.address() as AddressInfo;
    await setStatus('node/n1', {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      conditions: [{ type: 'Ready', status: 'True' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    });
    await setStatus('pod/web-1', {
      phase: 'Running',
      podIP: '10.0.0.7',
      containerStatuses: [{ name: 'app', ready: true, restartCount: 3 }],
    });
    await setStatus('deployment/web', { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 });
    assert.match(await succeeds('get nodes'), /^n1 +Ready +worker/m);
    assert.match(await succeeds('get deployments'), /^web +1\/2 +2 +1 /m);
    assert.match(await succeeds('get pods -o wide'), /^web-1 +1\/1 +Running +3 +10\.0\.0\.7 +n1/m);
    assert.match(await succeeds('get all'), /pod\/web-1[\s\S]*deployment\.apps\/web/);
  });

  await suite.test('logs asks the kubelet of the node', async () => {
    assert.equal(await succeeds('logs web-1 --tail=5'), 'asked /containerLogs/default/web-1/app?tailLines=5\n');
    assert.match(await fails('logs web-1 -c other'), /container other is not valid for pod web-1/);
  });

  await suite.test('a Deployment that does not select its own Pods is refused', async () => {
    const wrong = MANIFESTS.replace('matchLabels: {app: web}', 'matchLabels: {app: other}');
    assert.match(await fails('apply -f -', wrong), /spec\.template\.metadata\.labels.*the selector wants app=other/);
  });
});
