// Logs of Pods: what is asked of the kubelet, what comes back, and what is refused.
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { makeSelfSigned } from '../../test/fakes/self-signed.ts';
import { openThingApi, type ThingApi } from '../../test/fakes/thing-api.ts';

let t: ThingApi;
let kubelet: Server;
let asked: string[] = [];
let answer = (_req: IncomingMessage, res: ServerResponse): unknown => res.end('first\nsecond\n');

const put = async (path: string, body: object) => {
  const answered = await t.ask(path, { method: 'POST', body });
  assert.equal(answered.status, 201, answered.text);
};

const addNode = async (name: string, address: string, port: number) => {
  await put('/api/v1/nodes', { metadata: { name } });
  const status = {
    addresses: [{ type: 'InternalIP', address }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  };
  const headers = { 'content-type': 'application/merge-patch+json' };
  const answered = await t.ask(`/api/v1/nodes/${name}/status`, { method: 'PATCH', body: { status }, headers });
  assert.equal(answered.status, 200, answered.text);
};

const addPod = (name: string, nodeName: string | undefined, containers: string[]) =>
  put('/api/v1/namespaces/default/pods', {
    metadata: { name },
    spec: { nodeName, containers: containers.map((container) => ({ name: container })) },
  });

before(async () => {
  t = await openThingApi();
  const { certPem, keyPem } = makeSelfSigned();
  kubelet = createServer({ cert: certPem, key: keyPem }, (req, res) => {
    asked.push(req.url ?? '');
    answer(req, res);
  });
  await new Promise<void>((resolve) => kubelet.listen(0, '127.0.0.1', resolve));
  const { port } = kubelet.address() as AddressInfo;
  await addNode('here', '127.0.0.1', port);
  await addNode('far', '192.0.2.1', port);
  await addNode('dead', '127.0.0.1', 1);
  await addPod('web', 'here', ['app']);
  await addPod('pair', 'here', ['app', 'side']);
  await addPod('away', 'far', ['app']);
  await addPod('lost', 'dead', ['app']);
  await addPod('new', undefined, ['app']);
});

after(async () => {
  kubelet.closeAllConnections();
  kubelet.close();
  await t.close();
});

const log = (pod: string, query = '') => t.ask(`/api/v1/namespaces/default/pods/${pod}/log${query}`);

test('the kubelet of the node is asked for the container, with what is wanted of it', async () => {
  asked = [];
  const answered = await log('web', '?sinceTime=2026-01-01T00%3A00%3A00Z&tailLines=2&other=1');
  assert.deepEqual([answered.status, answered.text], [200, 'first\nsecond\n']);
  assert.deepEqual(asked, ['/containerLogs/default/web/app?sinceTime=2026-01-01T00%3A00%3A00Z&tailLines=2']);
});

test('of several containers the named one is asked for', async () => {
  asked = [];
  assert.equal((await log('pair', '?container=side')).status, 200);
  assert.deepEqual(asked, ['/containerLogs/default/pair/side?']);
});

test('a log of 20 MiB ends at 16', async () => {
  const before = answer;
  answer = (_req, res) => res.end(Buffer.alloc(20 * 1024 * 1024, 'x'));
  const { text } = await log('web');
  answer = before;
  assert.equal(text.length, 16 * 1024 * 1024);
});

const REFUSED: Record<string, { pod: string; query?: string; want: [number, RegExp] }> = {
  'a Pod that is not there': { pod: 'nope', want: [404, /"nope" not found/] },
  'no container where there are several': { pod: 'pair', want: [400, /choose one of: \[app side\]/] },
  'a container that the Pod does not have': {
    pod: 'web',
    query: '?container=x',
    want: [400, /container x is not valid/],
  },
  'a Pod without a node': { pod: 'new', want: [400, /does not have a node/] },
  'a kubelet that can not be verified': { pod: 'away', want: [501, /not supported.*loopback/] },
  'a kubelet that is not there': { pod: 'lost', want: [503, /can not be asked/] },
  'following the log': { pod: 'web', query: '?follow=true', want: [501, /following a log is not supported/] },
};
for (const [name, { pod, query, want }] of Object.entries(REFUSED)) {
  test(`refused: ${name}`, async () => {
    const answered = await log(pod, query);
    assert.equal(answered.status, want[0], answered.text);
    assert.match(answered.json.message, want[1]);
  });
}
