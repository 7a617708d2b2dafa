// What the codec does with peers that break rules or bounds which h2spec does not try.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { FakeClock } from '../../../test/fakes/clock.ts';
import { frame, headers, type RawHttp2, rawHttp2, requestFields, settings } from '../../../test/fakes/http2-frames.ts';
import { answerOf, http2Context, http2Server } from '../../../test/fakes/http2-peers.ts';
import { until } from '../../../test/fakes/raw-peer.ts';
import { DEFAULT_LIMITS } from '../context.ts';
import type { Http2Stream, Http2StreamUser } from './contract.ts';
import * as h2 from './frames.ts';
import { NOBODY } from './stream.ts';

const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

/** A server that takes requests and never answers. */
const silent = () => NOBODY;

const open = async (
  onRequest?: (stream: Http2Stream) => Http2StreamUser,
  context = http2Context(),
): Promise<RawHttp2> => {
  const server = await http2Server(context, onRequest ? { onRequest } : {});
  const raw = await rawHttp2(server.port);
  closers.push(
    () => raw.destroy(),
    () => server.close(),
  );
  return raw;
};

const oddIds = (count: number): number[] => Array.from({ length: count }, (_, index) => 2 * index + 1);

const FLOODS: Readonly<Record<string, string>> = {
  'streams begun and reset': oddIds(300)
    .map((id) => headers(id) + h2.resetText(id, h2.CANCEL))
    .join(''),
  'malformed requests': oddIds(300)
    .map((id) => headers(id, [':method', 'GET']))
    .join(''),
  'streams that it makes us reset': oddIds(300)
    .map((id) => headers(id, requestFields('POST'), false) + h2.windowText(id, 0))
    .join(''),
  PINGs: frame(h2.PING, 0, 0, '12345678').repeat(2000),
  SETTINGS: settings([4, 1]).repeat(2000),
  'empty DATA': headers(1, requestFields('POST'), false) + frame(h2.DATA, 0, 1).repeat(5000),
  'windows opened byte by byte': h2.windowText(0, 1).repeat(5000),
  'unknown frames': frame(99, 0, 0).repeat(5000),
  priorities: frame(h2.PRIORITY, 0, 1, '\0\0\0\0\0').repeat(5000),
  'CONTINUATION without end':
    frame(h2.HEADERS, 0, 1, '') + Array.from({ length: 40 }, () => frame(h2.CONTINUATION, 0, 1, '\x82')).join(''),
  'a header block beyond all measure':
    frame(h2.HEADERS, 0, 1, '') + frame(h2.CONTINUATION, 0, 1, '\x82'.repeat(16_384)).repeat(10),
};

describe('a flood ends the connection with ENHANCE_YOUR_CALM:', () => {
  for (const [name, text] of Object.entries(FLOODS)) {
    test(name, async () => {
      // Nothing is refilled while the clock stands.
      const raw = await open(silent, http2Context({}, new FakeClock()));
      assert.equal(await raw.send(text).goneWith(), h2.ENHANCE_YOUR_CALM);
    });
  }
});

test('streams that are answered are no flood', async () => {
  const raw = await open(undefined, http2Context({}, new FakeClock()));
  for (let first = 1; first < 3000; first += 100) {
    const ids = oddIds(50).map((id) => id + first - 1);
    raw.send(ids.map((id) => headers(id)).join(''));
    await raw.frame(h2.HEADERS, ids.at(-1));
  }
  await raw.settled();
});

test('the stream above the hundredth is refused, and room comes back', async () => {
  const streams: Http2Stream[] = [];
  const raw = await open((stream) => {
    streams.push(stream);
    return NOBODY;
  });
  raw.send(
    oddIds(101)
      .map((id) => headers(id))
      .join(''),
  );
  assert.equal(await raw.resetWith(201), h2.REFUSED_STREAM);
  streams[0]!.answer(answerOf(204), true);
  await raw.frame(h2.HEADERS, 1);
  await raw.send(headers(203)).settled();
  assert.equal(streams.at(-1)!.id, 203);
});

test('a head above the bound is answered with 431, and the connection goes on', async () => {
  const raw = await open();
  const large = 'x'.repeat(15_000);
  raw.send(headers(1, requestFields('GET', '/', ['a', large])));
  assert.equal(raw.fields(await raw.frame(h2.HEADERS, 1))[1], '200');
  const blocks = Array.from({ length: 6 }, (_, index) => ['name', index, large].join(''));
  const text = requestFields('GET', '/', ['a', blocks.join('')]);
  const whole = headers(3, text).slice(h2.HEAD_BYTES);
  let frames = frame(h2.HEADERS, h2.END_STREAM, 3, whole.slice(0, 16_384));
  for (let at = 16_384; at < whole.length; at += 16_384) {
    const last = at + 16_384 >= whole.length;
    frames += frame(h2.CONTINUATION, last ? h2.END_HEADERS : 0, 3, whole.slice(at, at + 16_384));
  }
  raw.send(frames);
  assert.equal(raw.fields(await raw.frame(h2.HEADERS, 3))[1], '431');
  await raw.send(headers(5)).settled();
  assert.equal(raw.fields(await raw.frame(h2.HEADERS, 5))[1], '200');
});

describe('bodies', () => {
  const MALFORMED: Readonly<Record<string, string>> = {
    'longer than Content-Length': frame(h2.DATA, h2.END_STREAM, 1, 'abcdef'),
    'shorter than Content-Length': frame(h2.DATA, h2.END_STREAM, 1, 'abc'),
    'shorter than Content-Length, with trailers': frame(h2.DATA, 0, 1, 'abc') + headers(1, ['a', 'b']),
    'with trailers that do not end it': frame(h2.DATA, 0, 1, 'abcde') + headers(1, ['a', 'b'], false),
    'with a pseudo header as trailer': frame(h2.DATA, 0, 1, 'abcde') + headers(1, [':path', '/']),
  };
  for (const [name, text] of Object.entries(MALFORMED)) {
    test(`${name} reset their stream`, async () => {
      let reset = -1;
      const raw = await open(() => ({
        ...NOBODY,
        onReset: (code) => {
          reset = code;
        },
      }));
      raw.send(headers(1, requestFields('POST', '/', ['content-length', '5']), false) + text);
      assert.equal(await raw.resetWith(1), h2.PROTOCOL_ERROR);
      assert.equal(reset, h2.PROTOCOL_ERROR);
      await raw.settled();
    });
  }

  test('with padding are read without it, and the padding is credited', async () => {
    const raw = await open();
    raw.send(headers(1, requestFields('POST'), false));
    const padded = `\x05hello${'\0'.repeat(5)}`;
    raw.send(frame(h2.DATA, h2.PADDED, 1, padded) + frame(h2.DATA, h2.PADDED | h2.END_STREAM, 1, '\x02!\0\0'));
    await until(() => raw.received(1) === 6, 'the body is sent back');
    await raw.settled();
  });

  test('that nobody wants any more are let pass after a reset', async () => {
    const raw = await open((stream) => {
      stream.answer(answerOf(200), true);
      stream.reset(h2.NO_ERROR);
      return NOBODY;
    });
    raw.send(headers(1, requestFields('POST'), false));
    assert.equal(await raw.resetWith(1), h2.NO_ERROR);
    await raw.send(frame(h2.DATA, h2.END_STREAM, 1, 'late')).settled();
  });
});

describe('flow control', () => {
  const body = Buffer.alloc(100_000, 'x');
  const sending = (stream: Http2Stream) => {
    stream.answer(answerOf(200), false);
    stream.body(undefined, body, 0, body.length);
    stream.end(['a', 'b']);
    return NOBODY;
  };

  test('holds back what the windows do not allow, also below zero', async () => {
    const raw = await open(sending);
    raw.send(headers(1));
    await until(() => raw.received(1) === 65_535, 'the first window is used');
    // The stream's window is now 1000 - 65535.
    raw.send(settings([4, 1000]) + h2.windowText(0, 1_000_000));
    await raw.settled();
    raw.send(h2.windowText(1, 64_535));
    await raw.settled('at zero!');
    assert.equal(raw.received(1), 65_535);
    raw.send(h2.windowText(1, 100_000));
    await until(() => raw.received(1) === 100_000, 'the rest comes');
    const trailers = () => raw.frames.findLast((it) => it.type === h2.HEADERS);
    await until(() => trailers()?.flags === (h2.END_HEADERS | h2.END_STREAM), 'the trailers come');
  });

  test('gives the room of the connection to all streams in turn', async () => {
    const raw = await open(sending);
    raw.send(settings([4, 1_000_000]) + headers(1) + headers(3) + headers(5));
    await until(() => raw.received(1) === 65_535, 'the window of the connection is used');
    for (let n = 0; n < 30; n++) raw.send(h2.windowText(0, 10_000));
    for (const id of [1, 3, 5]) await until(() => raw.received(id) === 100_000, `stream ${id} is sent`);
  });

  test('withholds room from a stream that is paused, and from no other', async () => {
    let paused: Http2Stream | undefined;
    const raw = await open((stream) => {
      if (paused) return NOBODY;
      paused = stream;
      stream.pause();
      return NOBODY;
    });
    const piece = 'x'.repeat(16_384);
    const isCredited = (id: number) => raw.frames.some((it) => it.type === h2.WINDOW_UPDATE && it.id === id);
    raw.send(headers(1, requestFields('POST'), false));
    raw.send(frame(h2.DATA, 0, 1, piece).repeat(16));
    raw.send(headers(3, requestFields('POST'), false) + frame(h2.DATA, 0, 3, piece).repeat(16));
    await raw.frame(h2.WINDOW_UPDATE, 3);
    assert.equal(isCredited(1), false);
    paused!.resume();
    await raw.frame(h2.WINDOW_UPDATE, 1);
    // More than was offered ends the stream alone.
    paused!.pause();
    raw.send(frame(h2.DATA, 0, 1, piece).repeat(17));
    assert.equal(await raw.resetWith(1), h2.FLOW_CONTROL_ERROR);
    await raw.settled();
  });
});

describe('time', () => {
  const CASES: Readonly<Record<string, { greeting: string; afterMs: number; code: number }>> = {
    'without SETTINGS': { greeting: h2.PREFACE, afterMs: DEFAULT_LIMITS.handshakeTimeoutMs, code: h2.SETTINGS_TIMEOUT },
    'without an acknowledgement': {
      greeting: h2.PREFACE + settings(),
      afterMs: DEFAULT_LIMITS.handshakeTimeoutMs,
      code: h2.SETTINGS_TIMEOUT,
    },
    'in the middle of a header block': {
      greeting: h2.PREFACE + settings() + frame(h2.SETTINGS, h2.ACK, 0) + frame(h2.HEADERS, 0, 1, '\x82'),
      afterMs: DEFAULT_LIMITS.handshakeTimeoutMs,
      code: h2.PROTOCOL_ERROR,
    },
  };
  for (const [name, { greeting, afterMs, code }] of Object.entries(CASES)) {
    test(`a peer that stops ${name} is let go`, async () => {
      const clock = new FakeClock();
      const server = await http2Server(http2Context({}, clock));
      const raw = await rawHttp2(server.port, greeting);
      closers.push(
        () => raw.destroy(),
        () => server.close(),
      );
      await raw.frame(h2.SETTINGS);
      if (greeting !== h2.PREFACE)
        await until(() => raw.frames.length >= 3 || raw.received(0) > 0, 'SETTINGS are acknowledged');
      clock.advance(afterMs + 1);
      assert.equal(await raw.goneWith(), code);
    });
  }

  test('a body that the peer takes nothing of is given up', async () => {
    const clock = new FakeClock();
    let reset = -1;
    const raw = await open(
      (stream) => {
        stream.answer(answerOf(200), false);
        stream.body(undefined, Buffer.alloc(70_000), 0, 70_000);
        return {
          ...NOBODY,
          onReset: (code) => {
            reset = code;
          },
        };
      },
      http2Context({}, clock),
    );
    raw.send(frame(h2.SETTINGS, h2.ACK, 0) + headers(1));
    await until(() => raw.received(1) === 65_535, 'the window is used');
    clock.advance(DEFAULT_LIMITS.stallTimeoutMs + 1);
    assert.equal(await raw.resetWith(1), h2.CANCEL);
    assert.equal(reset, h2.CANCEL);
    await raw.settled();
  });

  test('a body that came to a halt once before is given up at the second', async () => {
    const clock = new FakeClock();
    let stream: Http2Stream | undefined;
    const raw = await open(
      (begun) => {
        stream = begun;
        begun.answer(answerOf(200), false);
        begun.body(undefined, Buffer.alloc(10), 0, 10);
        return NOBODY;
      },
      http2Context({}, clock),
    );
    raw.send(settings([4, 0]) + frame(h2.SETTINGS, h2.ACK, 0) + headers(1) + h2.windowText(1, 10));
    await until(() => raw.received(1) === 10, 'the first part has come');
    clock.advance(DEFAULT_LIMITS.stallTimeoutMs + 1);
    stream!.body(undefined, Buffer.alloc(10), 0, 10);
    clock.advance(DEFAULT_LIMITS.stallTimeoutMs + 1);
    assert.equal(await raw.resetWith(1), h2.CANCEL);
  });
});

test('a window of the connection that opens by little goes to all streams that wait, one after the other', async () => {
  const raw = await open((stream) => {
    stream.answer(answerOf(200), false);
    stream.body(undefined, Buffer.alloc(100_000), 0, 100_000);
    return NOBODY;
  });
  raw.send(settings([4, 1_000_000]) + headers(1) + headers(3));
  await until(() => raw.received(1) === 65_535, 'the window is used');
  raw.send(h2.windowText(0, 10_000));
  raw.send(h2.windowText(0, 10_000));
  await raw.settled();
  assert.deepEqual([raw.received(1), raw.received(3)], [75_535, 10_000]);
});

describe('GOAWAY', () => {
  test('lets pass what was on its way, then tells the last stream and ends when it is done', async () => {
    const server = await http2Server();
    const raw = await rawHttp2(server.port);
    closers.push(
      () => raw.destroy(),
      () => server.close(),
    );
    raw.send(headers(1, requestFields('POST'), false));
    await raw.frame(h2.HEADERS, 1);
    server.connections[0]!.goAway();
    const ping = await raw.frame(h2.PING);
    raw.send(headers(3, requestFields('POST'), false));
    raw.send(frame(h2.PING, h2.ACK, 0, ping.payload) + headers(5));
    await raw.settled();
    const lastIds = raw.frames.filter((it) => it.type === h2.GOAWAY).map((it) => it.payload);
    assert.deepEqual(lastIds, [h2.uint32(h2.MAX_ID) + h2.uint32(0), h2.uint32(3) + h2.uint32(0)]);
    raw.send(frame(h2.DATA, h2.END_STREAM, 1, 'a') + frame(h2.DATA, h2.END_STREAM, 3, 'b'));
    await until(() => raw.peer.ended, 'the connection ends');
    assert.equal(raw.received(3), 1);
    assert.equal(
      raw.frames.some((it) => it.id === 5),
      false,
    );
  });
});
