// A reader that stalls behind two proxies and HBONE never makes them hold what it does not take. Both are in this process,
// whose peak of memory is seen, with all that a test needs itself.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { FakeAuthority, spiffeId } from '../fakes/mesh-ca.ts';
import { chain, cluster, endpoint, listener, snapshot, startProxy, tcpHandler } from '../fakes/proxy-under-test.ts';
import { rawServer } from '../fakes/raw-peer.ts';
import { checkReader, MIB, Sender, SIZE_BYTES, StallingReader } from '../fakes/stalling-reader.ts';

const MAX_PEAK_MIB = 300;
const SERVER = spiffeId('b');

test('2 GiB through HBONE to a client that stalls', { timeout: 120_000 }, async (t) => {
  const authority = new FakeAuthority();
  const sender = new Sender();
  const reader = new StallingReader(sender);
  const backend = await rawServer(({ socket }) => void sender.run(socket));
  const handler = {
    type: 'hbone',
    addresses: ['127.0.0.1'],
    ports: [{ port: backend.port, chains: [chain(tcpHandler('program'))] }],
    idleTimeoutMs: 60_000,
  } as const;
  const server = await startProxy(
    snapshot({
      listeners: [listener([chain(handler, { tls: { mode: 'mesh' } })], { direction: 'inbound' })],
      clusters: [cluster('program', [endpoint(backend.port)])],
    }),
    { svid: authority.source(SERVER) },
  );
  const there = endpoint(backend.port, { mesh: true, identity: SERVER, hbone: { port: server.port() } });
  const tls = { mode: 'mesh', sni: 'b.mesh', identities: [SERVER] } as const;
  const client = await startProxy(
    snapshot({
      listeners: [listener([chain(tcpHandler('b'))])],
      clusters: [cluster('b', [there], { protocol: 'tcp', tls })],
    }),
    { svid: authority.source(spiffeId('a')) },
  );
  t.after(async () => {
    await client.close();
    await server.close();
    await backend.close();
  });
  const buffer = Buffer.alloc(MIB);
  const callback = (bytes: number) => {
    if (reader.take(bytes, () => socket.resume())) socket.pause();
    if (reader.readBytes >= SIZE_BYTES) socket.destroy();
    return true;
  };
  const socket = connect({ port: client.port(), host: '127.0.0.1', onread: { buffer, callback } });
  await once(socket, 'close');
  checkReader(reader);
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;
  t.diagnostic(`peak: ${peak.toFixed(0)} MiB`);
  assert.ok(peak <= MAX_PEAK_MIB, `the process took ${peak.toFixed(0)} MiB`);
});
