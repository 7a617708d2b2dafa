import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { rawServer, until } from '../../../test/fakes/raw-peer.ts';
import { parseClientHello } from './client-hello.ts';

/** What Node's TLS really sends first. */
const realHello = async (options: { servername?: string; maxVersion?: 'TLSv1.2' }): Promise<Buffer> => {
  const server = await rawServer();
  const client = connect({ port: server.port, host: '127.0.0.1', ...options });
  client.on('error', () => {});
  const peer = await server.peer(0);
  await until(() => typeof parseClientHello(Buffer.from(peer.text, 'latin1')) === 'object', 'the hello is whole');
  client.destroy();
  await once(client, 'close');
  await server.close();
  return Buffer.from(peer.text, 'latin1');
};

for (const maxVersion of [undefined, 'TLSv1.2'] as const) {
  test(`reads the server name of a real hello, whole and in any two parts (${maxVersion ?? 'TLSv1.3'})`, async () => {
    const hello = await realHello({ servername: 'Outbound_.80_._.a.b', ...(maxVersion && { maxVersion }) });
    assert.deepEqual(parseClientHello(hello), { serverName: 'outbound_.80_._.a.b' });
    for (let i = 0; i < hello.length; i++) assert.equal(parseClientHello(hello.subarray(0, i)), 'more', `${i} bytes`);
  });
}

test('a hello without a server name has none', async () => {
  assert.deepEqual(parseClientHello(await realHello({})), { serverName: '' });
});

test('a hello over several records is put together', async () => {
  const hello = await realHello({ servername: 'a.test' });
  const body = hello.subarray(5);
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += 7) {
    const part = body.subarray(at, at + 7);
    parts.push(Buffer.from([0x16, 3, 1, 0, part.length]), part);
  }
  assert.deepEqual(parseClientHello(Buffer.concat(parts)), { serverName: 'a.test' });
});

test('refuses a hello in thousands of records', () => {
  const records = Array.from({ length: 2000 }, (_, i) => [0x16, 3, 1, 0, 1, i === 0 ? 1 : 0]).flat();
  records[6 * 2 + 5] = 0x40;
  assert.equal(parseClientHello(Buffer.from(records)), 'invalid');
});

const invalid: Record<string, number[]> = {
  'another record type': [0x17, 3, 1, 0, 1, 1],
  'another version': [0x16, 2, 1, 0, 1, 1],
  'an empty record': [0x16, 3, 1, 0, 0],
  'a record that is too long': [0x16, 3, 1, 0x40, 1],
  'another handshake message': [0x16, 3, 1, 0, 4, 2, 0, 0, 0],
  'a hello that is too long': [0x16, 3, 1, 0, 4, 1, 1, 0, 0],
  'a hello that ends early': [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3],
};

for (const [name, bytes] of Object.entries(invalid)) {
  test(`refuses ${name}`, () => assert.equal(parseClientHello(Buffer.from(bytes)), 'invalid'));
}

test('no change of bytes makes it throw', async () => {
  const hello = await realHello({ servername: 'a.test' });
  let seed = 17;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.from(hello);
    for (let n = 1 + random(4); n > 0; n--) bytes[random(bytes.length)] = random(256);
    const result = parseClientHello(bytes.subarray(0, random(bytes.length + 1)));
    if (typeof result === 'object') assert.match(result.serverName, /^[a-z0-9._-]*$/);
  }
});
