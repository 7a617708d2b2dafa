// GET pods/NAME/log, as Kubernetes answers it: the kubelet of the Pod's node is asked, over HTTPS. Called by resources.ts.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request } from 'node:https';
import { internalAddressOf, kubeletPortOf, node as nodeKind } from '../kinds/node/schema.ts';
import type { PodSpec } from '../kinds/pod/schema.ts';
import { specOf } from '../kinds/schema.ts';
import { cidrContains, type Address as IpAddress, parseAddress, parseCidr } from '../lib/cidr.ts';
import type { Resource } from '../model/resource.ts';
import { type Store, storeKey } from '../store/store.ts';
import { ApiError, badRequest } from './status.ts';

/** What a kubelet takes of the caller's query. */
const PASSED = ['sinceTime', 'sinceSeconds', 'tailLines', 'limitBytes', 'timestamps', 'previous'];
const TIMEOUT_MS = 10_000;
const MAX_BYTES = 16 * 1024 * 1024;

interface Kubelet {
  readonly address: string;
  readonly port: number;
}

const LOOPBACK = [parseCidr('127.0.0.0/8')!, parseCidr('::1')!];

const isLoopback = (address: IpAddress): boolean => LOOPBACK.some((block) => cidrContains(block, address));

const unavailable = (message: string): ApiError => new ApiError(503, 'ServiceUnavailable', message);

const kubeletOf = async (store: Store, pod: Resource): Promise<Kubelet> => {
  const { nodeName } = specOf<PodSpec>(pod);
  if (!nodeName) throw badRequest(`pod ${pod.metadata.name} does not have a node assigned`);
  const entry = await store.get(storeKey('', nodeKind.plural, '', nodeName));
  const text = entry && internalAddressOf(entry.value);
  const port = entry && kubeletPortOf(entry.value);
  const address = text === undefined ? undefined : parseAddress(text);
  if (!text || !port || !address) throw unavailable(`node ${nodeName} tells no address of a kubelet`);
  if (!isLoopback(address)) {
    const why = 'the certificate of its kubelet can not be verified; only those on a loopback address are asked';
    throw new ApiError(501, 'NotImplemented', `logs of node ${nodeName} are not supported: ${why}`);
  }
  return { address: text, port };
};

const containerOf = (pod: Resource, wanted: string | null): string => {
  const names = (specOf<PodSpec>(pod).containers ?? []).map(({ name }) => name);
  const { name } = pod.metadata;
  if (!wanted && names.length > 1) {
    throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${names.join(' ')}]`);
  }
  const container = wanted || names[0];
  if (!container || !names.includes(container)) {
    throw badRequest(`container ${wanted ?? ''} is not valid for pod ${name}`);
  }
  return container;
};

const pathOf = ({ metadata }: Resource, container: string, query: URLSearchParams): string => {
  const passed = new URLSearchParams();
  for (const name of PASSED) {
    const value = query.get(name);
    if (value !== null) passed.set(name, value);
  }
  const parts = [metadata.namespace ?? 'default', metadata.name, container].map(encodeURIComponent);
  return `/containerLogs/${parts.join('/')}?${passed}`;
};

export const answerPodLog = async (
  store: Store,
  pod: Resource,
  query: URLSearchParams,
  res: ServerResponse,
): Promise<void> => {
  if (query.get('follow') === 'true') throw new ApiError(501, 'NotImplemented', 'following a log is not supported');
  const container = containerOf(pod, query.get('container'));
  const kubelet = await kubeletOf(store, pod);
  const path = pathOf(pod, container, query);
  const answer = await ask(kubelet, path);
  await passOn(answer, res);
};

const ask = ({ address, port }: Kubelet, path: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    // On a loopback address there is nobody in between; the certificate would be the kubelet's own.
    const call = request({ host: address, port, path, rejectUnauthorized: false, timeout: TIMEOUT_MS, agent: false });
    call.on('response', resolve);
    call.on('timeout', () => call.destroy(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)));
    call.on('error', (error) =>
      reject(unavailable(`the kubelet at ${address}:${port} can not be asked: ${error.message}`)),
    );
    call.end();
  });

/** Bounded: what is longer ends there. */
const passOn = async (answer: IncomingMessage, res: ServerResponse): Promise<void> => {
  const { statusCode = 502 } = answer;
  if (statusCode !== 200) {
    answer.destroy();
    if (statusCode === 404) throw new ApiError(404, 'NotFound', 'the kubelet has no log of this container');
    throw unavailable(`the kubelet answered with status ${statusCode}`);
  }
  res.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-cache, private' });
  res.once('close', () => answer.destroy());
  let left = MAX_BYTES;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      const part = chunk.subarray(0, left);
      left -= part.length;
      if (!res.write(part)) await drained(res);
      if (left === 0 || res.destroyed) break;
    }
    res.end();
  } catch {
    // The head is gone: an end without the last chunk says that something is missing.
    res.destroy();
  }
};

const drained = (res: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    if (res.destroyed) return resolve();
    res.once('drain', resolve);
    res.once('close', resolve);
  });
