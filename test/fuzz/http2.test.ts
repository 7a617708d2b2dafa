// Property tests of the HTTP/2 codec: no bytes make it throw, hang or hold more than its bounds; two of them stay in agreement
// whatever they are asked to do. Fixed seed, fixed budget (budget.ts).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestMessage } from '../../src/proxy/http1/head.ts';
import { Http2Connection } from '../../src/proxy/http2/connection.ts';
import type { Http2Stream, Http2StreamUser } from '../../src/proxy/http2/contract.ts';
import * as h2 from '../../src/proxy/http2/frames.ts';
import { CONNECTION_WINDOW, MAX_STREAMS, type Role, STREAM_WINDOW } from '../../src/proxy/http2/settings.ts';
import { FakeClock } from '../fakes/clock.ts';
import { frame, GREETING, headers, requestFields, settings } from '../fakes/http2-frames.ts';
import { answerOf, http2Context, requestOf } from '../fakes/http2-peers.ts';
import { ManualFlushes, MemoryWire } from '../fakes/memory-wire.ts';
import { type Draw, fuzz, mutate, pickFrom } from './budget.ts';

const WELL_FORMED: readonly string[] = [
  headers(1),
  headers(1, requestFields('POST'), false),
  headers(3, requestFields('POST', '/', ['content-length', '5']), false),
  headers(3, ['a', 'b']),
  frame(h2.HEADERS, 0, 5, '\x82\x86'),
  frame(h2.CONTINUATION, h2.END_HEADERS, 5, '\x84\x01\x04test'),
  frame(h2.DATA, 0, 1, 'hello'),
  frame(h2.DATA, h2.END_STREAM, 3, 'hello'),
  frame(h2.DATA, h2.PADDED, 1, '\x03hello\0\0\0'),
  h2.resetText(1, h2.CANCEL),
  h2.windowText(0, 1000),
  h2.windowText(1, 0x7fffffff),
  settings([4, 0], [1, 100]),
  settings([5, 20_000], [3, 1]),
  frame(h2.SETTINGS, h2.ACK, 0),
  frame(h2.PING, 0, 0, '12345678'),
  frame(h2.PRIORITY, 0, 7, '\0\0\0\x01\0'),
  h2.goAwayText(1, h2.NO_ERROR),
  frame(77, 1, 9, 'what'),
  frame(h2.HEADERS, h2.END_HEADERS, 1, '\x88'),
];

/** Answers, echoes, resets or says nothing. */
const drawUser = (draw: Draw, stream: Http2Stream): Http2StreamUser => {
  const user: Http2StreamUser = {
    onBody: (buffer, start, end) => stream.body(stream.wire, buffer, start, end),
    onBodyEnd: (trailers) => stream.end(trailers),
    onReadDone: () => stream.blocked && stream.pause(),
    onDrain: () => stream.resume(),
    onReset: () => {},
  };
  const choice = draw(4);
  if (choice === 0) stream.answer(answerOf(200), true);
  else if (choice === 1) stream.answer(answerOf(200), false);
  else if (choice === 2) stream.reset(h2.CANCEL);
  return user;
};

const openAlone = (draw: Draw, role: Role) => {
  const wire = new MemoryWire();
  const flushes = new ManualFlushes();
  const context = { ...http2Context({}, new FakeClock()), flushes };
  const connection = new Http2Connection(wire, context, role, {
    onRequest: (stream) => drawUser(draw, stream),
    onIdle: () => {},
    onClosed: () => {},
    onGoingAway: () => {},
    onMoreStreams: () => {},
  });
  wire.user = connection;
  connection.start();
  return { wire, flushes, connection, context };
};

test('no bytes make it throw, or hold more than its bounds', () => {
  let taken = 0;
  fuzz(3000, 17, (draw) => {
    const role = pickFrom(draw, ['server', 'server', 'client'] as const);
    const { wire, flushes, connection, context } = openAlone(draw, role);
    const ignored: Http2StreamUser = {
      onBody: () => {},
      onBodyEnd: () => {},
      onReadDone: () => {},
      onDrain: () => {},
      onReset: () => {},
    };
    if (role === 'client') for (let n = 0; n < 3; n++) connection.open(requestOf('POST', '/'), false, ignored);
    let text = role === 'server' ? GREETING : settings();
    for (let n = draw(12); n > 0; n--) text += pickFrom(draw, WELL_FORMED);
    let bytes: Buffer = Buffer.from(text, 'latin1');
    if (draw(4) > 0) bytes = mutate(draw, bytes);
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + draw(pickFrom(draw, [3, 20, 5000]));
      wire.receive(bytes.subarray(at, at + size));
      at += size;
      if (draw(2) === 0) flushes.run();
    }
    flushes.run();
    assert.ok(connection.activeStreams <= MAX_STREAMS);
    // An answer to each frame, and what it sends back; never a multiple of what came.
    assert.ok(wire.waiting < 1000 + 4 * bytes.length, `${wire.waiting} bytes for ${bytes.length}`);
    if (!wire.finished && !wire.closed) taken++;
    connection.destroy();
    assert.equal(connection.activeStreams, 0);
    assert.equal(context.deadlines.size, 0);
  });
  assert.ok(taken > 300, `only ${taken} were taken`);
});

/** One side of a stream in the model: what it has sent, and what has come. */
class Side implements Http2StreamUser {
  stream: Http2Stream | undefined;
  sent = 0;
  ended = false;
  got = 0;
  gotEnd = false;
  sentTrailers: readonly string[] | undefined;
  trailers: readonly string[] | undefined;
  status = 0;
  reset = false;
  /** Set by the other side's model. */
  readonly number: number;

  constructor(number: number) {
    this.number = number;
  }

  onAnswer(message: { status: number }, end: boolean): void {
    this.status = message.status;
    if (end) this.gotEnd = true;
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    assert.equal(this.gotEnd || this.reset, false, 'nothing comes behind the end');
    for (let at = start; at < end; at++) assert.equal(buffer[at], byteAt(this.number, this.got++));
  }

  onBodyEnd(trailers: readonly string[] | undefined): void {
    assert.equal(this.gotEnd || this.reset, false, 'there is one end');
    this.gotEnd = true;
    this.trailers = trailers;
  }

  onReadDone(): void {}

  onDrain(): void {}

  onReset(): void {
    assert.equal(this.reset, false, 'it is told once');
    this.reset = true;
  }

  onBadAnswer(reason: string): void {
    assert.fail(reason);
  }

  send(size: number): void {
    const stream = this.stream;
    if (!stream || this.ended || stream.closed) return;
    const buffer = Buffer.from(Array.from({ length: size }, (_, index) => byteAt(this.number, this.sent + index)));
    this.sent += size;
    stream.body(stream.wire, buffer, 0, size);
    buffer.fill(0xbb);
  }

  end(trailers?: string[]): void {
    if (!this.stream || this.ended || this.stream.closed) return;
    this.ended = true;
    this.sentTrailers = trailers;
    this.stream.end(trailers);
  }
}

/** The n-th byte of both bodies of a stream. */
const byteAt = (stream: number, index: number): number => (stream * 31 + index * 7 + (index >> 8)) & 0xff;

interface Pair {
  readonly client: Side;
  server: Side | undefined;
}

class TwoCodecs {
  readonly flushes = new ManualFlushes();
  readonly wires = [new MemoryWire(), new MemoryWire()] as const;
  readonly client: Http2Connection;
  readonly server: Http2Connection;
  readonly pairs: Pair[] = [];
  goneAway = false;
  errors: unknown[] = [];

  constructor() {
    const context = () => ({ ...http2Context({}, new FakeClock()), flushes: this.flushes });
    const ignored = { onIdle: () => {}, onGoingAway: () => {}, onMoreStreams: () => {} };
    const onClosed = (error: Error | undefined) => error && this.errors.push(error);
    this.client = new Http2Connection(this.wires[0], context(), 'client', { ...ignored, onClosed });
    this.server = new Http2Connection(this.wires[1], context(), 'server', {
      ...ignored,
      onClosed,
      onRequest: (stream, message, end) => this.#onRequest(stream, message, end),
    });
    this.wires[0].user = this.client;
    this.wires[1].user = this.server;
    this.client.start();
    this.server.start();
  }

  #onRequest(stream: Http2Stream, message: RequestMessage, end: boolean): Http2StreamUser {
    const pair = this.pairs[Number(message.path.slice(1))]!;
    const side = new Side(pair.client.number);
    side.stream = stream;
    side.gotEnd = end;
    pair.server = side;
    stream.answer(answerOf(200), false);
    return side;
  }

  open(end: boolean): void {
    const number = this.pairs.length;
    const client = new Side(number);
    this.pairs.push({ client, server: undefined });
    client.stream = this.client.open(requestOf('POST', `/${number}`), end, client);
    client.ended = end;
    if (!client.stream) this.pairs.pop();
  }

  /** Carries some bytes over, from one side or from both. */
  carry(from: 0 | 1, size: number): void {
    this.wires[from === 0 ? 1 : 0].receive(this.wires[from].take(size));
  }

  settle(): void {
    for (let quiet = 0; quiet < 3; ) {
      this.flushes.run();
      const waiting = this.wires[0].waiting + this.wires[1].waiting;
      this.carry(0, Number.POSITIVE_INFINITY);
      this.carry(1, Number.POSITIVE_INFINITY);
      quiet = waiting === 0 ? quiet + 1 : 0;
    }
  }
}

const step = (draw: Draw, codecs: TwoCodecs): void => {
  const pair = codecs.pairs.length > 0 ? pickFrom(draw, codecs.pairs) : undefined;
  const side = pair && (draw(2) === 0 ? pair.client : pair.server);
  switch (draw(12)) {
    case 0:
    case 1:
      codecs.open(draw(4) === 0);
      break;
    case 2:
    case 3:
    case 4:
      side?.send(1 + draw(pickFrom(draw, [10, 5000, 100_000])));
      break;
    case 5:
      side?.end(draw(2) === 0 ? undefined : ['x-end', `${draw(100)}`]);
      break;
    case 6:
      side?.stream?.pause();
      break;
    case 7:
      side?.stream?.resume();
      break;
    case 8:
      if (draw(4) === 0 && side?.stream && !side.stream.closed) {
        side.reset = true;
        side.stream.reset(h2.CANCEL);
      }
      break;
    case 9:
      if (draw(20) === 0) {
        codecs.goneAway = true;
        codecs.server.goAway();
      }
      break;
    default:
      codecs.flushes.run();
      codecs.carry(draw(2) as 0 | 1, 1 + draw(pickFrom(draw, [20, 3000, 100_000])));
  }
};

test('two of them agree on every stream, whatever happens to it', () => {
  let finished = 0;
  fuzz(150, 23, (draw) => {
    const codecs = new TwoCodecs();
    for (let n = 40 + draw(160); n > 0; n--) step(draw, codecs);
    for (const { client, server } of codecs.pairs) {
      // What was withheld is bounded by the windows, whoever stands still.
      client.stream?.resume();
      server?.stream?.resume();
    }
    codecs.settle();
    for (const { client, server } of codecs.pairs) {
      client.end();
      server?.end();
    }
    codecs.settle();
    assert.deepEqual(codecs.errors, []);
    for (const { client, server } of codecs.pairs) {
      if (client.reset || server?.reset) continue;
      assert.ok(server, 'every request comes, or is reset');
      assert.deepEqual([server.got, client.got], [client.sent, server.sent]);
      assert.deepEqual([server.gotEnd, client.gotEnd], [true, true]);
      assert.deepEqual([server.trailers, client.trailers], [client.sentTrailers, server.sentTrailers]);
      finished++;
    }
    assert.deepEqual([codecs.client.activeStreams, codecs.server.activeStreams], [0, 0]);
    // Whoever is done first ends it.
    if (codecs.goneAway)
      assert.ok(
        codecs.wires.some((wire) => wire.finished),
        'the connection has ended',
      );
  });
  assert.ok(finished > 500, `only ${finished} came to their end`);
});

test('what comes for paused streams is bounded by their windows and by that of the connection', () => {
  const codecs = new TwoCodecs();
  for (let n = 0; n < 50; n++) codecs.open(false);
  codecs.settle();
  for (const { server } of codecs.pairs) server!.stream!.pause();
  for (const { client } of codecs.pairs) client.send(STREAM_WINDOW * 2);
  codecs.settle();
  const got = codecs.pairs.map(({ server }) => server!.got);
  assert.ok(Math.max(...got) <= STREAM_WINDOW);
  assert.ok(got.reduce((sum, size) => sum + size, 0) <= CONNECTION_WINDOW);
  for (const { server } of codecs.pairs) server!.stream!.resume();
  codecs.settle();
  for (const { client, server } of codecs.pairs) assert.equal(server!.got, client.sent);
});
