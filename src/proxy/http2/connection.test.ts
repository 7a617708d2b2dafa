import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import {
  Answer,
  answerOf,
  http2Client,
  http2Context,
  http2Server,
  requestOf,
} from '../../../test/fakes/http2-peers.ts';
import { until } from '../../../test/fakes/raw-peer.ts';
import type { RequestMessage } from '../http1/head.ts';
import type { Http2Connection } from './connection.ts';
import { NOBODY } from './stream.ts';

const MIB = 1024 * 1024;

const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

const ask = (client: Http2Connection, message: RequestMessage, body?: Buffer, trailers?: string[]): Answer => {
  const answer = new Answer();
  const stream = client.open(message, !body, answer);
  assert.ok(stream);
  if (body) {
    stream.body(undefined, body, 0, body.length);
    stream.end(trailers);
  }
  return answer;
};

const pair = async (...args: Parameters<typeof http2Server>) => {
  const server = await http2Server(...args);
  const client = await http2Client(server.port);
  closers.push(
    () => server.close(),
    () => client.destroy(),
  );
  return { server, client };
};

describe('an own client and an own server', () => {
  test('exchange a request without a body', async () => {
    const { client } = await pair();
    const answer = ask(client, requestOf('GET', '/a'));
    assert.equal(await answer.done, 'end');
    assert.deepEqual([answer.status, answer.headers, answer.body], [200, ['x-path', '/a'], 'hello\n']);
    assert.equal(client.activeStreams, 0);
  });

  test('exchange large bodies on many streams at once, with trailers', async () => {
    const { client } = await pair();
    const body = Buffer.alloc(MIB, 'abcdefg');
    const answers = Array.from({ length: 20 }, () => ask(client, requestOf('POST', '/'), body, ['x-sum', '1']));
    for (const answer of answers) {
      assert.equal(await answer.done, 'end');
      assert.equal(answer.body.length, MIB);
      assert.equal(answer.body, body.toString('latin1'));
      assert.deepEqual(answer.trailers, ['x-sum', '1']);
    }
  });

  test('do not hold up a stream for others that nobody reads', async () => {
    const body = Buffer.alloc(300_000);
    const { client } = await pair(http2Context(), {
      onRequest: (stream) => {
        stream.answer(answerOf(200), false);
        stream.body(undefined, body, 0, body.length);
        stream.end();
        return NOBODY;
      },
    });
    for (let i = 0; i < 40; i++) client.open(requestOf('GET', '/'), true, new Answer())!.pause();
    const answer = ask(client, requestOf('GET', '/'));
    await until(() => answer.result !== '', 'the one that is read ends');
    assert.deepEqual([answer.result, answer.body.length], ['end', body.length]);
    assert.equal(client.activeStreams, 40);
  });

  test('agree on the end: streams that are open go on, no new one is begun', async () => {
    const { client, server } = await pair();
    const answer = new Answer();
    const stream = client.open(requestOf('POST', '/'), false, answer)!;
    await until(() => answer.status === 200, 'the answer begins');
    server.connections[0]!.goAway();
    await until(() => !client.usable, 'the client was told');
    assert.equal(client.open(requestOf('GET', '/'), true, new Answer()), undefined);
    stream.body(undefined, Buffer.from('last'), 0, 4);
    stream.end();
    assert.equal(await answer.done, 'end');
    assert.equal(answer.body, 'last');
    await until(() => client.wire.closed, 'the connection is closed');
  });
});

describe('node:http2', () => {
  test('as client gets answers, large bodies and trailers', async () => {
    const server = await http2Server();
    closers.push(() => server.close());
    const session = http2.connect(`http://127.0.0.1:${server.port}`);
    const body = Buffer.alloc(3 * MIB, '0123456789');
    const stream = session.request({ ':method': 'POST', ':path': '/' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
    const trailers = once(stream, 'trailers');
    stream.end(body);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    assert.ok(Buffer.concat(chunks).equals(body));
    assert.equal((await trailers)[0]['x-end'], 'yes');
    session.close();
    await once(session, 'close');
  });

  test('as server answers, with interim answers, bodies and trailers', async () => {
    const server = http2.createServer();
    server.on('stream', (stream, headers) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond({ ':status': 201, 'x-method': headers[':method'] }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
      stream.pipe(stream);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = await http2Client((server.address() as AddressInfo).port, http2Context());
    closers.push(
      () => server.close(),
      () => client.destroy(),
    );
    const body = Buffer.alloc(3 * MIB, '0123456789');
    const answer = ask(client, requestOf('POST', '/'), body);
    assert.equal(await answer.done, 'end');
    assert.deepEqual([answer.interims, answer.status, answer.trailers], [[103], 201, ['x-end', 'yes']]);
    assert.equal(answer.body, body.toString('latin1'));
    assert.deepEqual(answer.headers.slice(0, 2), ['x-method', 'POST']);
  });
});
