// The codec as client, against servers whose frames are written by hand.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { FakeClock } from '../../../test/fakes/clock.ts';
import { block, frame, headers, RawHttp2, requestFields, settings } from '../../../test/fakes/http2-frames.ts';
import { Answer, http2Client, http2Context, requestOf } from '../../../test/fakes/http2-peers.ts';
import { rawServer, until } from '../../../test/fakes/raw-peer.ts';
import type { Http2Connection } from './connection.ts';
import type { Http2Owner } from './contract.ts';
import * as h2 from './frames.ts';

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers) await close();
});

/** A client, and the server's end of its connection after its preface. */
const open = async (
  owner: Partial<Http2Owner> = {},
  context = http2Context(),
): Promise<{ client: Http2Connection; server: RawHttp2 }> => {
  const listening = await rawServer();
  const client = await http2Client(listening.port, context, owner);
  const peer = await listening.peer(0);
  closers.push(
    () => client.destroy(),
    () => listening.close(),
  );
  assert.equal(await peer.take(h2.PREFACE), h2.PREFACE);
  return { client, server: new RawHttp2(peer) };
};

const get = (client: Http2Connection, method = 'GET'): Answer => {
  const answer = new Answer();
  assert.ok(client.open(requestOf(method, '/'), true, answer));
  return answer;
};

const answer = (id: number, fields: readonly string[], end = true): string => headers(id, fields, end);
const OK = [':status', '200'];

describe('an answer', () => {
  const CASES: Readonly<Record<string, { frames: string; want: string; method?: string }>> = {
    'with body and trailers comes whole': {
      frames: answer(1, OK, false) + frame(h2.DATA, 0, 1, 'abc') + answer(1, ['a', 'b']),
      want: 'end',
    },
    'to HEAD may have a length without a body': {
      method: 'HEAD',
      frames: answer(1, [...OK, 'content-length', '5']),
      want: 'end',
    },
    'of 304 may have a length without a body': {
      frames: answer(1, [':status', '304', 'content-length', '5']),
      want: 'end',
    },
    'without the body that its length promises is refused': {
      frames: answer(1, [...OK, 'content-length', '5']),
      want: 'bad: the body is shorter than Content-Length',
    },
    'with a shorter body is cut off': {
      frames: answer(1, [...OK, 'content-length', '5'], false) + frame(h2.DATA, h2.END_STREAM, 1, 'abc'),
      want: `reset ${h2.PROTOCOL_ERROR}`,
    },
    'to HEAD with a body is cut off': {
      method: 'HEAD',
      frames: answer(1, OK, false) + frame(h2.DATA, h2.END_STREAM, 1, 'abc'),
      want: `reset ${h2.PROTOCOL_ERROR}`,
    },
    'that begins with a body is refused': { frames: frame(h2.DATA, 0, 1, 'abc'), want: 'bad: a body without a head' },
    'of 1xx that ends the stream is refused': {
      frames: answer(1, [':status', '103']),
      want: 'bad: an interim answer ends the stream',
    },
    'without a status is refused': {
      frames: answer(1, ['a', 'b']),
      want: 'bad: the status of the answer is not valid',
    },
    'is whole by its length when it is reset without an error': {
      frames:
        answer(1, [...OK, 'content-length', '3'], false) + frame(h2.DATA, 0, 1, 'abc') + h2.resetText(1, h2.NO_ERROR),
      want: 'end',
    },
    'with a shorter body and a reset without an error is cut off': {
      frames:
        answer(1, [...OK, 'content-length', '4'], false) + frame(h2.DATA, 0, 1, 'abc') + h2.resetText(1, h2.NO_ERROR),
      want: `reset ${h2.NO_ERROR}`,
    },
    'of unknown length and a reset without an error is cut off': {
      frames: answer(1, OK, false) + frame(h2.DATA, 0, 1, 'abc') + h2.resetText(1, h2.NO_ERROR),
      want: `reset ${h2.NO_ERROR}`,
    },
    'that is a reset tells its code': {
      frames: h2.resetText(1, h2.INTERNAL_ERROR),
      want: `reset ${h2.INTERNAL_ERROR}`,
    },
    'that is a refusal may be sought elsewhere': { frames: h2.resetText(1, h2.REFUSED_STREAM), want: 'unprocessed' },
    'above the last stream of GOAWAY may be sought elsewhere': {
      frames: h2.goAwayText(0, h2.NO_ERROR),
      want: 'unprocessed',
    },
  };
  for (const [name, { frames, want, method }] of Object.entries(CASES)) {
    test(name, async () => {
      const { client, server } = await open();
      const got = get(client, method);
      server.send(settings() + frames);
      assert.equal(await got.done, want);
      assert.equal(client.activeStreams, 0);
    });
  }
});

describe('a connection', () => {
  const BROKEN: Readonly<Record<string, { frames: string; code: number }>> = {
    'by a push': {
      frames: frame(h2.PUSH_PROMISE, h2.END_HEADERS, 1, `\0\0\0\x02${block(requestFields())}`),
      code: h2.PROTOCOL_ERROR,
    },
    'by an offer to take pushes': { frames: settings([2, 1]), code: h2.PROTOCOL_ERROR },
    'by an answer to what was not asked': { frames: answer(3, OK), code: h2.PROTOCOL_ERROR },
    'by a request': { frames: answer(2, OK), code: h2.PROTOCOL_ERROR },
    'by a broken header block': { frames: frame(h2.HEADERS, h2.END_HEADERS, 1, '\xff'), code: h2.COMPRESSION_ERROR },
    'by a window that is too large': { frames: h2.windowText(0, h2.MAX_WINDOW), code: h2.FLOW_CONTROL_ERROR },
  };
  for (const [name, { frames, code }] of Object.entries(BROKEN)) {
    test(`is ended ${name}`, async () => {
      let gone = 0;
      const { client, server } = await open({ onGoingAway: () => gone++ });
      const got = get(client);
      server.send(settings() + frames);
      assert.equal(await server.goneWith(), code);
      assert.equal(await got.done, `reset ${code}`);
      assert.deepEqual([client.usable, gone], [false, 1]);
    });
  }

  test('opens as many streams as the server allows, and tells when there is room', async () => {
    let more = 0;
    const { client, server } = await open({ onMoreStreams: () => more++ });
    server.send(settings([3, 1]));
    await until(() => client.peerMaxStreams === 1, 'the limit is known');
    const first = get(client);
    assert.equal(client.open(requestOf('GET', '/'), true, new Answer()), undefined);
    server.send(answer(1, OK));
    await first.done;
    await until(() => more === 1, 'room is told');
    server.send(settings([3, 2]));
    await until(() => more === 2, 'more room is told');
    get(client);
    get(client);
    assert.equal(client.activeStreams, 2);
  });

  test('goes on with what the server still answers after its GOAWAY, then ends', async () => {
    const { client, server } = await open();
    const first = get(client);
    const second = get(client);
    server.send(settings() + h2.goAwayText(1, h2.NO_ERROR));
    assert.equal(await second.done, 'unprocessed');
    assert.deepEqual([client.usable, client.open(requestOf('GET', '/'), true, new Answer())], [false, undefined]);
    server.send(answer(1, OK));
    assert.equal(await first.done, 'end');
    await until(() => server.peer.ended, 'the client ends the connection');
  });

  for (const [name, { speaks, usable }] of Object.entries({
    'that has fallen silent gets no more requests': { speaks: false, usable: false },
    'that is only slow to answer gets more requests': { speaks: true, usable: true },
  })) {
    test(name, async () => {
      const clock = new FakeClock();
      let gone = 0;
      const { client, server } = await open({ onGoingAway: () => gone++ }, http2Context({}, clock));
      await server.send(settings()).frame(h2.SETTINGS);
      const others = get(client);
      const stream = client.open(requestOf('GET', '/'), true, new Answer())!;
      await server.frame(h2.HEADERS, 3);
      clock.advance(2000);
      if (speaks) await server.settled();
      stream.reset(h2.CANCEL);
      assert.deepEqual([client.usable, gone], [usable, usable ? 0 : 1]);
      server.send(answer(1, OK));
      assert.equal(await others.done, 'end');
    });
  }

  test('that is lost resets every stream, once', async () => {
    let closed = 0;
    const { client, server } = await open({ onClosed: () => closed++ });
    const answers = [get(client), get(client)];
    await server.frame(h2.HEADERS, 3);
    server.destroy();
    for (const it of answers) assert.equal(await it.done, `reset ${h2.CANCEL}`);
    await until(() => closed === 1, 'the end is told');
  });

  test('withholds a body until the server opens its window', async () => {
    const { client, server } = await open();
    const got = new Answer();
    server.send(settings([4, 3]));
    await until(() => client.peerMaxStreams > 100, 'the settings are known');
    const stream = client.open(requestOf('POST', '/'), false, got)!;
    stream.body(undefined, Buffer.from('abcdef'), 0, 6);
    stream.end();
    assert.equal(stream.blocked, true);
    await until(() => server.received(1) === 3, 'three bytes come');
    server.send(h2.windowText(1, 3));
    await until(() => server.received(1) === 6, 'the rest comes');
    assert.equal(got.drains, 1);
    server.send(answer(1, OK));
    assert.equal(await got.done, 'end');
  });
});
