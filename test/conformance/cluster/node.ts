// The one Node of the cluster, and its kubelet, which answers for the logs of Pods. Opened by the harness.
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Client } from '../../../src/client/client.ts';
import { node } from '../../../src/kinds/node/schema.ts';
import { makeSelfSigned } from '../../fakes/self-signed.ts';
import { unless } from './mirror.ts';
import type { PodProcess } from './pod-process.ts';

export const NODE_NAME = 'node-1';
export const NODE_ADDRESS = '127.0.0.1';

/** Takes the node's address from the server that answers. */
export const openNode = async (client: Client, running: ReadonlyMap<string, PodProcess>): Promise<void> => {
  const { certPem, keyPem } = makeSelfSigned();
  const kubelet = createServer({ cert: certPem, key: keyPem }, (request, response) => {
    const url = new URL(request.url ?? '/', 'https://kubelet');
    const [, route, namespace, name] = url.pathname.split('/').map(decodeURIComponent);
    const process = route === 'containerLogs' ? running.get(`${namespace}/${name}`) : undefined;
    const since = url.searchParams.get('sinceTime');
    const seconds = Number(url.searchParams.get('sinceSeconds') ?? Number.POSITIVE_INFINITY);
    if (process) response.end(process.log(since ? Date.parse(since) : Date.now() - seconds * 1000));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => kubelet.listen(0, NODE_ADDRESS, resolve));
  kubelet.unref();
  await unless('API_EXISTS', client.create(node, { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE_NAME } }));
  const status = {
    addresses: [{ type: 'InternalIP', address: NODE_ADDRESS }],
    conditions: [{ type: 'Ready', status: 'True' }],
    daemonEndpoints: { kubeletEndpoint: { Port: (kubelet.address() as AddressInfo).port } },
  };
  await client.patch(node, { name: NODE_NAME, subresource: 'status' }, { status });
};
