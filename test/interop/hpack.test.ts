// HPACK against nghttp2's, which node:http2 has: what it decodes of ours, and what we decode of what it encodes, with tables
// that fill up and run over.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { it } from 'node:test';
import { HpackDecoder } from '../../src/proxy/http2/hpack-decoder.ts';
import { HpackEncoder } from '../../src/proxy/http2/hpack-encoder.ts';
import { END_HEADERS, END_STREAM, frame, HEADERS, PREFACE, SETTINGS } from '../fakes/http2-bytes.ts';
import { makeRandom } from '../fuzz/budget.ts';

const REQUESTS = 400;
const draw = makeRandom(7);

const fieldsOf = (index: number): string[] => {
  const fields = [':method', 'GET', ':scheme', 'http', ':path', `/${index}`, ':authority', 'a.test'];
  for (let n = 0; n < 5; n++) fields.push(`x-${n}-${draw(30)}`, 'v'.repeat(draw(200)) + String(draw(4)));
  return [...fields, 'x-always', 'the same', 'authorization', 'Bearer secret'];
};

/** Lists by the number of the request that they answer. */
const readAnswers = (decoder: HpackDecoder, bytes: Buffer, into: Map<number, string[]>): Buffer => {
  let rest = bytes;
  while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
    const end = 9 + rest.readUIntBE(0, 3);
    if (rest[3] === HEADERS) {
      const fields = decoder.decode(rest, 9, end);
      assert.ok(Array.isArray(fields), `the block is ${fields}`);
      into.set((rest.readUInt32BE(5) - 1) / 2, fields);
    }
    rest = rest.subarray(end);
  }
  return rest;
};

it('agrees with nghttp2 over hundreds of requests', async () => {
  const server = createServer();
  server.on('stream', (stream, headers, _, flat: string[]) => {
    const own = Object.entries(headers).filter(([name]) => name.startsWith('x-'));
    stream.respond({ ':status': 200, 'x-path': headers[':path']!, ...Object.fromEntries(own) }, { endStream: true });
    assert.ok(flat.includes('Bearer secret'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder({ maxListSize: 65_536, maxFields: 100 });
  const answers = new Map<number, string[]>();
  const sent = Array.from({ length: REQUESTS }, (_, index) => fieldsOf(index));
  let rest: Buffer = Buffer.alloc(0);
  socket.write(PREFACE + frame(SETTINGS, 0, 0), 'latin1');
  const send = (index: number) =>
    socket.write(frame(HEADERS, END_HEADERS | END_STREAM, 2 * index + 1, encoder.encode(sent[index]!)), 'latin1');
  let next = 0;
  while (next < 50) send(next++);
  socket.on('data', (piece) => {
    const before = answers.size;
    rest = readAnswers(decoder, Buffer.concat([rest, piece]), answers);
    for (let n = before; n < answers.size && next < REQUESTS; n++) send(next++);
    if (answers.size === REQUESTS) socket.end();
  });
  await once(socket, 'close');
  server.close();
  for (const [index, fields] of sent.entries()) {
    const answer = answers.get(index);
    assert.ok(answer, `request ${index} was answered`);
    const pairs = (list: string[]) =>
      new Map(list.flatMap((name, i) => (i % 2 === 0 && name.startsWith('x-') ? [[name, list[i + 1]!] as const] : [])));
    const want = pairs(fields).set('x-path', `/${index}`);
    // Repeated names are joined by the server.
    for (const [name, value] of want)
      assert.ok(pairs(answer).get(name)?.includes(value), `${name} of request ${index}`);
  }
});
