// All of h2spec against the proxy's HTTP/2, strict cases included: the codec alone, and a gateway before programs of both versions.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runH2spec } from '../fakes/h2spec.ts';
import { openServer } from '../fakes/http-server.ts';
import { http2Server } from '../fakes/http2-peers.ts';
import {
  chain,
  cluster,
  endpoint,
  forward,
  httpHandler,
  listener,
  route,
  snapshot,
  startProxy,
  toBackend,
} from '../fakes/proxy-under-test.ts';
import { makeSelfSigned } from '../fakes/self-signed.ts';

const CASES = 146;

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers) await close();
});

const assertConforms = async (port: number, tls = false): Promise<void> => {
  const { total, failures, output } = await runH2spec(port, '/', tls);
  assert.deepEqual([total, failures], [CASES, []], output);
};

const startBackend = async (): Promise<number> => {
  const server = await http2Server();
  closers.push(() => server.close());
  return server.port;
};

const startGateway = async (first: Parameters<typeof startProxy>[0]): Promise<number> => {
  const proxy = await startProxy(first);
  closers.unshift(() => proxy.close());
  return proxy.port();
};

test('the codec passes', async () => {
  await assertConforms(await startBackend());
});

test('a gateway before an HTTP/1 program passes', async () => {
  const backend = await openServer((request, response) => {
    request.resume();
    request.on('end', () => response.end('hello\n'));
  });
  closers.push(() => backend.close());
  const { total, failures } = await runH2spec(await startGateway(toBackend([endpoint(backend.port)])));
  // What is no preface is HTTP/1 on this port, and is answered as such: with 400, which h2spec can't read.
  assert.deepEqual([total, failures], [CASES, ['2: Sends invalid connection preface']]);
});

test('a gateway with TLS before an HTTP/2 program passes', async () => {
  const { certPem, keyPem } = makeSelfSigned();
  const tls = { mode: 'terminate', secrets: ['own'] } as const;
  const first = snapshot({
    listeners: [listener([chain(httpHandler({ edge: true }), { match: { transport: 'tls', serverNames: [] }, tls })])],
    routes: [route(forward('b'))],
    clusters: [cluster('b', [endpoint(await startBackend())], { protocol: 'http2' })],
    secrets: new Map([['own', { name: 'own', chainPem: certPem, keyPem }]]),
  });
  await assertConforms(await startGateway(first), true);
});
