// A TLS socket over an accepted one that reads into a buffer used again: no byte is lost, doubled or moved.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import { until } from '../../../test/fakes/raw-peer.ts';
import { makeSelfSigned } from '../../../test/fakes/self-signed.ts';
import { takeReading } from './accepted-socket.ts';
import { SocketWire } from './socket-wire.ts';
import { NOBODY } from './wire.ts';

const { certPem: cert, keyPem: key } = makeSelfSigned();

/** Both ends of a connection, past their handshakes. */
const openPair = async (t: TestContext): Promise<{ client: Socket; secured: TLSSocket }> => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const secured = new TLSSocket(accepted, { isServer: true, secureContext: createSecureContext({ cert, key }) });
  t.after(() => {
    client.destroy();
    secured.destroy();
    server.close();
  });
  await Promise.all([once(client, 'secureConnect'), once(secured, 'secure')]);
  return { client, secured };
};

/** Collects what comes, after `early`. */
const collect = (secured: TLSSocket) => {
  const taken = takeReading(secured);
  assert.ok(taken, 'this runtime lets a TLS socket read into a buffer');
  const parts = taken.early ? [taken.early] : [];
  const seen = { ended: false, buffers: new Set<Buffer>(), bytes: () => Buffer.concat(parts) };
  const wire = new SocketWire(
    secured,
    {
      ...NOBODY,
      onData: (buffer, start, end) => {
        seen.buffers.add(buffer);
        parts.push(wire.keep(buffer, start, end));
      },
      onEnd: () => {
        seen.ended = true;
      },
    },
    taken.readBuffer,
  );
  return { wire, seen };
};

const LARGE = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => (i * 7 + (i >> 10)) & 255));

describe('a TLS socket whose reading is taken', () => {
  it('gives all bytes in order, in one buffer, and then the end', async (t) => {
    const { client, secured } = await openPair(t);
    const { seen } = collect(secured);
    secured.resume();
    client.end(LARGE);
    await until(() => seen.ended, 'the end comes');
    assert.ok(seen.bytes().equals(LARGE));
    assert.equal(seen.buffers.size, 1);
  });

  it('gives what had been read before as well', async (t) => {
    const { client, secured } = await openPair(t);
    client.write(LARGE.subarray(0, 1000));
    secured.read(0);
    await until(() => secured.readableLength === 1000, 'it was read');
    const { seen } = collect(secured);
    secured.resume();
    client.end(LARGE.subarray(1000));
    await until(() => seen.ended, 'the end comes');
    assert.ok(seen.bytes().equals(LARGE));
  });

  it('reads no more while it is paused, but for a bounded rest', async (t) => {
    const { client, secured } = await openPair(t);
    const { wire, seen } = collect(secured);
    secured.resume();
    client.write(LARGE.subarray(0, 10));
    await until(() => seen.bytes().length === 10, 'it reads');
    wire.pause();
    const large = Buffer.concat(Array.from({ length: 20 }, () => LARGE));
    client.end(large);
    // Turns in which all of it would come, were it read.
    for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(seen.bytes().length < 200_000, `${seen.bytes().length} bytes were read`);
    wire.resume();
    await until(() => seen.ended, 'the end comes');
    assert.ok(seen.bytes().subarray(10).equals(large));
  });

  it('gives a buffer away that is still needed', async (t) => {
    const { client, secured } = await openPair(t);
    const { wire, seen } = collect(secured);
    secured.resume();
    client.write('one');
    await until(() => seen.buffers.size === 1, 'the first comes');
    wire.leaveBuffer();
    client.write('two');
    await until(() => seen.bytes().length === 6, 'the second comes');
    client.write('three');
    await until(() => seen.bytes().length === 11, 'the third comes');
    assert.equal(seen.buffers.size, 2);
    assert.equal(seen.bytes().toString(), 'onetwothree');
  });

  it('is for TLS alone', async (t) => {
    const plain = createServer().listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const client = connectPlain({ port: (plain.address() as AddressInfo).port, host: '127.0.0.1' });
    t.after(() => {
      client.destroy();
      plain.close();
    });
    await once(client, 'connect');
    assert.equal(takeReading(client), undefined);
  });
});
