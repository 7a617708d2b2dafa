import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { rawServer, until } from '../../../test/fakes/raw-peer.ts';
import { SocketWire } from './socket-wire.ts';
import { NOBODY, type Wire } from './wire.ts';

const open = async (port: number) => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  let isClosed = false;
  const wire = new SocketWire(socket, { ...NOBODY, onClose: () => (isClosed = true) });
  return { wire, isClosed: () => isClosed };
};

const CASES: Readonly<Record<string, (wire: Wire) => void>> = {
  'by itself': (wire) => wire.abort(),
  'right behind a text': (wire) => {
    wire.write('x');
    wire.abort();
  },
  'right behind the end': (wire) => {
    wire.write('x');
    wire.end();
    wire.abort();
  },
  'when the end was sent': (wire) => wire.end(() => wire.abort()),
  'with more waiting than the peer takes, and the end behind it': (wire) => {
    wire.writeBuffer(Buffer.alloc(20_000_000));
    wire.end();
    wire.abort();
  },
};

for (const [when, act] of Object.entries(CASES)) {
  test(`abort closes the socket ${when}`, async (t) => {
    const server = await rawServer();
    t.after(() => server.close());
    const { wire, isClosed } = await open(server.port);
    act(wire);
    await until(isClosed, 'its user is told');
    assert.ok(wire.closed);
  });
}

test('a peer does not take for whole what was aborted while it waited', async (t) => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const accepted = once(server, 'connection');
  const { wire } = await open((server.address() as AddressInfo).port);
  const [peer] = await accepted;
  wire.writeBuffer(Buffer.alloc(20_000_000));
  wire.end();
  wire.abort();
  peer.resume();
  const [error] = await once(peer, 'error');
  assert.equal(error.code, 'ECONNRESET');
});
