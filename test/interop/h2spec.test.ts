// All of h2spec against the proxy's HTTP/2, strict cases included.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { runH2spec } from '../fakes/h2spec.ts';
import { http2Context, http2Server, serveSocket } from '../fakes/http2-peers.ts';
import { makeSelfSigned } from '../fakes/self-signed.ts';

const CASES = 146;

const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

const assertConforms = async (port: number, tls: boolean): Promise<void> => {
  const { total, passed, failures } = await runH2spec(port, '/', tls);
  assert.equal(failures, '');
  assert.deepEqual([total, passed], [CASES, CASES]);
};

test('the codec passes h2spec in plain text', async () => {
  const server = await http2Server();
  closers.push(() => server.close());
  await assertConforms(server.port, false);
});

test('the codec passes h2spec over TLS', async () => {
  const context = http2Context();
  const { keyPem, certPem } = makeSelfSigned();
  const server = createTlsServer({ key: keyPem, cert: certPem, ALPNProtocols: ['h2'] }, (socket) => {
    socket.on('error', () => {});
    serveSocket(context, socket, {});
  });
  closers.push(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await assertConforms((server.address() as AddressInfo).port, true);
});
