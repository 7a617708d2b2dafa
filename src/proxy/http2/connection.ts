// One HTTP/2 connection over a wire, as server or as client (RFC 9113): states of its streams, flow control, and every bound
// on what the peer may do. Made by the proxy's client and upstream sides; see contract.ts.
import type { ProxyContext, ProxyLimits } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import { Refusal, type RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { Wire, WireUser } from '../wires/wire.ts';
import { ClosedStreams } from './closed-streams.ts';
import type { Http2Owner, Http2Stream, Http2StreamUser } from './contract.ts';
import { Control, type ControlHost } from './control.ts';
import { ANSWERED, CHEAP, WASTED_STREAM } from './flood-guard.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { BlockRange, faultOf } from './frame-rules.ts';
import * as h2 from './frames.ts';
import { answerBlock } from './head-block.ts';
import { HeaderBlock } from './header-block.ts';
import { ChunkStore } from './held-bytes.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { type Flushes, Outbox } from './outbox.ts';
import { ReceiveWindows } from './receive-windows.ts';
import { SendQueue } from './send-queue.ts';
import { DEFAULT_WINDOW, MAX_STREAMS, type Role } from './settings.ts';
import { NOBODY, Stream, type StreamHost } from './stream.ts';

/** What it needs of the proxy. */
export type Http2Context = Pick<ProxyContext, 'deadlines' | 'http2Parser'> & { limits: Http2Limits; flushes: Flushes };

export type Http2Limits = Pick<
  ProxyLimits,
  'maxHeadBytes' | 'maxFields' | 'handshakeTimeoutMs' | 'stallTimeoutMs' | 'lingerMs'
>;

const TOO_LARGE = new Refusal(431, 'the request head is too large');
const TOO_SHORT = new Refusal(400, 'the body is shorter than Content-Length');

/** A peer that opens its window by less at a time may do so only now and then. */
const SMALL_WINDOW = 1024;
/** By how much compressed heads may be larger than what is taken, so that they are answered and not cut off. */
const BLOCK_FACTOR = 2;
export class Http2Connection implements WireUser, FrameSink, StreamHost, ControlHost {
  readonly wire: Wire;
  readonly outbox: Outbox;
  readonly chunks = new ChunkStore();
  readonly encoder = new HpackEncoder();
  sendWindow = DEFAULT_WINDOW;
  readonly #context: Http2Context;
  readonly #role: Role;
  readonly #owner: Http2Owner;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #block: HeaderBlock;
  readonly #control: Control;
  readonly #streams = new Map<number, Stream>();
  readonly #reset = new ClosedStreams();
  readonly #blockDeadline = new Deadline(() =>
    this.#control.fail(h2.PROTOCOL_ERROR, 'a header block did not come in time'),
  );
  /** Server: the last that the peer has opened. Client: the last that was opened. */
  #lastId = 0;
  readonly #windows: ReceiveWindows;
  /** Whose DATA is being read, and whether it is the last. */
  #data: Stream | undefined;
  #dataEnds = false;
  #touched: Stream[] = [];
  readonly #queue: SendQueue;
  readonly #range = new BlockRange();
  /** Streams that ended since the peer has stopped to read. */
  #undrained = 0;

  constructor(wire: Wire, context: Http2Context, role: Role, owner: Http2Owner) {
    const { maxHeadBytes, maxFields } = context.limits;
    this.wire = wire;
    this.outbox = new Outbox(wire, context.flushes);
    this.#windows = new ReceiveWindows(role, this.outbox);
    this.#context = context;
    this.#role = role;
    this.#control = new Control(this, context, role, owner);
    this.#owner = owner;
    this.#reader = new FrameReader(this, role === 'server');
    this.#decoder = new HpackDecoder({ maxListSize: maxHeadBytes, maxFields });
    this.#queue = new SendQueue(context.deadlines, context.limits.stallTimeoutMs, (stream) =>
      this.#streamError(stream, h2.CANCEL, 'the peer took nothing for too long'),
    );
    this.#block = new HeaderBlock(maxHeadBytes * BLOCK_FACTOR);
  }

  /** Sends the preface and SETTINGS. */
  start(): void {
    this.#control.start();
  }

  get activeStreams(): number {
    return this.#streams.size;
  }

  get peerMaxStreams(): number {
    return this.#control.peer.maxStreams;
  }

  /** The peer takes CONNECT with a protocol (RFC 8441). */
  get takesExtendedConnect(): boolean {
    return this.#control.peer.connectProtocol;
  }

  /** Client: streams can be opened, now or when others have ended. */
  get usable(): boolean {
    return this.#control.takesMore;
  }

  /** Client: begins a request; undefined when there is no room for it. */
  open(message: RequestMessage, end: boolean, user: Http2StreamUser): Http2Stream | undefined {
    if (!this.usable || this.#streams.size >= this.#control.peer.maxStreams) return undefined;
    this.#lastId = this.#lastId === 0 ? 1 : this.#lastId + 2;
    const stream = new Stream(this.#lastId, this, this.#control.peer.initialWindow, message.method);
    stream.user = user;
    stream.begunAtMs = this.#context.deadlines.recent;
    this.#streams.set(stream.id, stream);
    stream.request(message, end);
    if (this.#lastId >= h2.MAX_ID - 2) this.#control.retire();
    return stream;
  }

  /** Client: when the peer was last heard, on the clock of its deadlines. */
  get heardAtMs(): number {
    return this.#control.heardAtMs;
  }

  /** Asks the peer to say that it is there. */
  ping(): void {
    this.#control.ping();
  }

  /** Ends it gracefully: no stream is begun any more, those that are open go on. */
  goAway(): void {
    this.#control.goAway();
  }

  /** At once; what waits is lost. */
  destroy(): void {
    this.#control.onClosed();
    this.stopReading();
    this.resetAll(h2.CANCEL);
    this.wire.destroy();
  }

  // --- the wire

  onData(buffer: Buffer, start: number, end: number): void {
    if (!this.#control.open) return;
    if (this.#role === 'client') this.#control.heardAtMs = this.#context.deadlines.now();
    this.#reader.feed(buffer, start, end);
    const touched = this.#touched;
    if (touched.length === 0) return;
    this.#touched = [];
    for (const stream of touched) {
      if (!stream.touched) continue;
      stream.touched = false;
      if (!stream.closed) stream.user.onReadDone();
    }
  }

  onEnd(): void {
    // HTTP/2 has no half-closed connections.
    this.#control.finish();
    this.resetAll(h2.CANCEL);
  }

  onDrain(): void {
    this.#control.onDrain();
    this.#undrained = 0;
    for (const stream of [...this.#streams.values()]) {
      if (this.wire.blocked) return;
      if (!stream.waits && !stream.closed) stream.user.onDrain();
    }
  }

  onClose(error: Error | undefined): void {
    this.#control.onClosed();
    this.#reader.stop();
    this.#windows.close();
    this.resetAll(h2.CANCEL);
    this.#context.deadlines.remove(this.#blockDeadline);
    this.#queue.close();
    this.#owner.onClosed(this.#control.error ?? error);
  }

  // --- frames

  onBadFrame(code: number, reason: string): void {
    this.#control.fail(code, reason);
  }

  /** False when this frame may not come now. */
  #isExpected(type: number, flags: number, id: number): boolean {
    if (!this.#control.greeted && (type !== h2.SETTINGS || (flags & h2.ACK) !== 0)) {
      this.#control.fail(h2.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    } else if (this.#block.id !== 0 ? type !== h2.CONTINUATION || id !== this.#block.id : type === h2.CONTINUATION) {
      this.#control.fail(h2.PROTOCOL_ERROR, 'a header block is not followed by its rest');
    } else return true;
    return false;
  }

  onFrame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (!this.#isExpected(type, flags, id)) return;
    const fault = faultOf(type, flags, id, buffer, start, end);
    if (fault) {
      this.#control.fail(fault.code, fault.reason);
      return;
    }
    switch (type) {
      case h2.HEADERS:
        this.#onHeaders(flags, id, buffer, start, end);
        break;
      case h2.CONTINUATION:
        this.#onContinuation(flags, buffer, start, end);
        break;
      case h2.WINDOW_UPDATE:
        this.#onWindowUpdate(id, buffer.readUInt32BE(start) & h2.MAX_WINDOW);
        break;
      case h2.RST_STREAM:
        this.#onReset(id, buffer.readUInt32BE(start));
        break;
      case h2.SETTINGS:
        this.#onSettings(flags, buffer, start, end);
        break;
      case h2.PING:
        this.#control.onPing((flags & h2.ACK) !== 0, buffer.toString('latin1', start, end));
        break;
      case h2.GOAWAY:
        this.#onGoAway(buffer.readUInt32BE(start) & h2.MAX_ID);
        break;
      default:
        this.#control.charge(CHEAP);
    }
  }

  #onHeaders(flags: number, id: number, buffer: Buffer, start: number, end: number): void {
    const range = this.#range;
    const fault = range.find(flags, id, buffer, start, end);
    const endStream = (flags & h2.END_STREAM) !== 0;
    if (fault) this.#control.fail(fault.code, fault.reason);
    else if ((flags & h2.END_HEADERS) !== 0) this.#onBlock(id, endStream, buffer, range.start, range.end);
    else {
      this.#block.begin(id, endStream);
      const { deadlines, limits } = this.#context;
      deadlines.set(this.#blockDeadline, deadlines.now() + limits.handshakeTimeoutMs);
      this.#addToBlock(buffer, range.start, range.end);
    }
  }

  #onContinuation(flags: number, buffer: Buffer, start: number, end: number): void {
    if (!this.#addToBlock(buffer, start, end) || (flags & h2.END_HEADERS) === 0) return;
    const { id, endStream } = this.#block;
    const whole = this.#block.take();
    this.#context.deadlines.clear(this.#blockDeadline);
    this.#onBlock(id, endStream, whole, 0, whole.length);
  }

  #addToBlock(buffer: Buffer, start: number, end: number): boolean {
    if (this.#block.add(buffer, start, end)) return true;
    this.#control.fail(h2.ENHANCE_YOUR_CALM, 'a header block is too large');
    return false;
  }

  #onBlock(id: number, end: boolean, buffer: Buffer, start: number, stop: number): void {
    const fields = this.#decoder.decode(buffer, start, stop);
    if (fields === 'corrupt') {
      this.#control.fail(h2.COMPRESSION_ERROR, 'a header block can not be read');
      return;
    }
    const stream = this.#streams.get(id);
    if (!stream) {
      if (this.#role === 'server' && id > this.#lastId) this.#begin(id, fields, end);
      else this.#onStrayFrame(id, 'HEADERS');
      return;
    }
    if (stream.remoteEnded) this.#streamError(stream, h2.STREAM_CLOSED, 'HEADERS behind the end of the stream');
    else if (fields === 'too-large') this.#streamError(stream, h2.PROTOCOL_ERROR, 'the head is too large');
    else if (this.#role === 'client' && !stream.answered) this.#onAnswer(stream, fields, end);
    else this.#onTrailers(stream, fields, end);
  }

  /** A frame for a stream that is not open: unread when the peer could not know of that yet. */
  #onStrayFrame(id: number, what: string): void {
    if (this.#isIdle(id)) this.#control.fail(h2.PROTOCOL_ERROR, `${what} on a stream that was not begun`);
    else if (id <= this.#lastId && !this.#reset.has(id))
      this.#control.fail(h2.STREAM_CLOSED, `${what} on a closed stream`);
    else this.#control.charge(CHEAP);
  }

  /** Streams above the last id that the peer was told are not begun, but may come. */
  #isIdle(id: number): boolean {
    return (id & 1) === 0 || (id > this.#lastId && (this.#role === 'client' || id <= this.#control.finalId));
  }

  // --- server

  #begin(id: number, fields: readonly string[] | 'too-large', end: boolean): void {
    // It was told that no more are taken.
    if (id > this.#control.finalId) return;
    this.#lastId = id;
    if (this.#streams.size + this.#undrained >= MAX_STREAMS) {
      this.#sendReset(id, h2.REFUSED_STREAM);
      this.#control.charge(WASTED_STREAM);
      return;
    }
    const message = fields === 'too-large' ? TOO_LARGE : this.#context.http2Parser.request(fields);
    if (message instanceof Refusal) {
      this.#refuse(id, message, end);
      return;
    }
    if (end && message.contentLength > 0) {
      this.#refuse(id, TOO_SHORT, end);
      return;
    }
    message.chunked = !end && message.contentLength < 0;
    const stream = new Stream(id, this, this.#control.peer.initialWindow, message.method);
    stream.bodyLeft = message.contentLength;
    stream.remoteEnded = end;
    this.#streams.set(id, stream);
    // What follows in the same read is still of this request.
    if (!end) this.#touch(stream);
    const user = this.#owner.onRequest!(stream, message, end);
    if (!stream.closed) stream.user = user;
  }

  /** A malformed request resets its stream (RFC 9113, 8.1.1); one that is only not wanted is answered. */
  #refuse(id: number, refusal: Refusal, end: boolean): void {
    if (refusal.status === 400) this.#sendReset(id, h2.PROTOCOL_ERROR);
    else {
      const answer = new ResponseMessage();
      answer.status = refusal.status;
      answer.contentLength = 0;
      this.outbox.add(h2.headersText(id, answerBlock(this.encoder, answer), true, this.outbox.maxFrame));
      if (!end) this.#sendReset(id, h2.NO_ERROR);
    }
    this.#owner.onRefused?.(refusal);
    this.#control.charge(WASTED_STREAM);
  }

  // --- client

  #onAnswer(stream: Stream, fields: readonly string[], end: boolean): void {
    const message = this.#context.http2Parser.response(fields);
    if (message instanceof Refusal) {
      this.#streamError(stream, h2.PROTOCOL_ERROR, message.reason);
      return;
    }
    if (message.status < 200) {
      if (end) this.#streamError(stream, h2.PROTOCOL_ERROR, 'an interim answer ends the stream');
      else {
        this.#touch(stream);
        stream.user.onInterim?.(message);
      }
      return;
    }
    stream.expectBody(message);
    if (end && stream.bodyLeft > 0) {
      this.#streamError(stream, h2.PROTOCOL_ERROR, 'the body is shorter than Content-Length');
      return;
    }
    message.chunked = !end && message.contentLength < 0;
    stream.answered = true;
    stream.remoteEnded = end;
    this.#touch(stream);
    stream.user.onAnswer?.(message, end);
    if (end) this.#afterRemoteEnd(stream);
  }

  #onTrailers(stream: Stream, fields: readonly string[], end: boolean): void {
    const trailers = end ? this.#context.http2Parser.trailers(fields) : undefined;
    if (!trailers) this.#streamError(stream, h2.PROTOCOL_ERROR, 'the trailers are not valid');
    else this.#onRemoteEnd(stream, trailers.length > 0 ? trailers : undefined);
  }

  onDataHead(flags: number, id: number, length: number, size: number): void {
    this.#data = undefined;
    this.#dataEnds = (flags & h2.END_STREAM) !== 0;
    if (!this.#isExpected(h2.DATA, flags, id)) return;
    if (!this.#windows.use(length)) {
      this.#control.fail(h2.FLOW_CONTROL_ERROR, 'more was sent than the connection takes');
      return;
    }
    const stream = this.#streams.get(id);
    if (stream && this.#takesData(stream, length, size)) {
      this.#data = stream;
    } else if (!stream) this.#onStrayFrame(id, 'DATA');
    if (length > size) this.#windows.credit(this.#data, length - size);
    if (size > 0) this.#control.refund(ANSWERED);
    else if (!this.#dataEnds) this.#control.charge(CHEAP);
  }

  #takesData(stream: Stream, length: number, size: number): boolean {
    stream.recvWindow -= length;
    if (stream.remoteEnded) this.#streamError(stream, h2.STREAM_CLOSED, 'DATA behind the end of the stream');
    else if (stream.recvWindow < 0) {
      this.#streamError(stream, h2.FLOW_CONTROL_ERROR, 'more was sent than the stream takes');
    } else if (this.#role === 'client' && !stream.answered) {
      this.#streamError(stream, h2.PROTOCOL_ERROR, 'a body without a head');
    } else if (stream.bodyLeft >= 0 && size > stream.bodyLeft) {
      this.#streamError(stream, h2.PROTOCOL_ERROR, 'the body is longer than Content-Length');
    } else {
      if (stream.bodyLeft > 0) stream.bodyLeft -= size;
      return true;
    }
    return false;
  }

  onDataPiece(buffer: Buffer, start: number, end: number): void {
    const stream = this.#data;
    if (stream && !stream.closed) {
      this.#touch(stream);
      stream.user.onBody(buffer, start, end);
    }
    this.#windows.credit(stream, end - start);
  }

  onDataEnd(): void {
    const stream = this.#data;
    this.#data = undefined;
    if (stream && this.#dataEnds && !stream.closed) this.#onRemoteEnd(stream, undefined);
  }

  #onRemoteEnd(stream: Stream, trailers: readonly string[] | undefined): void {
    if (stream.bodyLeft > 0) {
      this.#streamError(stream, h2.PROTOCOL_ERROR, 'the body is shorter than Content-Length');
      return;
    }
    stream.remoteEnded = true;
    stream.user.onBodyEnd(trailers);
    this.#afterRemoteEnd(stream);
  }

  #afterRemoteEnd(stream: Stream): void {
    // At once, so that an answer that follows goes out with its end.
    stream.touched = false;
    if (!stream.closed) stream.user.onReadDone();
    if (!stream.closed && stream.localEnded) this.#close(stream);
  }

  #touch(stream: Stream): void {
    if (stream.touched) return;
    stream.touched = true;
    this.#touched.push(stream);
  }

  #onWindowUpdate(id: number, size: number): void {
    // Windows as large as these can't be opened for ever.
    if (size < SMALL_WINDOW && !this.#control.charge(CHEAP)) return;
    if (id === 0) {
      this.sendWindow += size;
      if (size === 0) this.#control.fail(h2.PROTOCOL_ERROR, 'a WINDOW_UPDATE of nothing');
      else if (this.sendWindow > h2.MAX_WINDOW) this.#control.fail(h2.FLOW_CONTROL_ERROR, 'the window is too large');
      else this.#queue.pumpAll();
      return;
    }
    const stream = this.#streams.get(id);
    if (!stream) {
      // It may have been closed meanwhile.
      if (this.#isIdle(id)) this.#control.fail(h2.PROTOCOL_ERROR, 'WINDOW_UPDATE on a stream that was not begun');
      return;
    }
    stream.sendWindow += size;
    if (size === 0) this.#streamError(stream, h2.PROTOCOL_ERROR, 'a WINDOW_UPDATE of nothing');
    else if (stream.sendWindow > h2.MAX_WINDOW) {
      this.#streamError(stream, h2.FLOW_CONTROL_ERROR, 'the window of a stream is too large');
    } else if (stream.waits) this.#queue.pump(stream);
  }

  #onReset(id: number, code: number): void {
    if (this.#isIdle(id)) {
      this.#control.fail(h2.PROTOCOL_ERROR, 'RST_STREAM on a stream that was not begun');
      return;
    }
    const stream = this.#streams.get(id);
    if (stream && code === h2.NO_ERROR && this.#isWhole(stream)) this.#onRemoteEnd(stream, undefined);
    if (stream && !stream.closed) this.#close(stream, code, code === h2.REFUSED_STREAM);
    // RFC 9113, 10.5: begun and taken back again and again ("rapid reset").
    this.#control.charge(this.#role === 'server' && stream ? WASTED_STREAM : CHEAP);
  }

  /** Node's server may reset an answer, without an error, when its body was sent and its END_STREAM was not. */
  #isWhole({ answered, remoteEnded, bodyLeft }: Stream): boolean {
    return this.#role === 'client' && answered && !remoteEnded && bodyLeft === 0;
  }

  #onSettings(flags: number, buffer: Buffer, start: number, end: number): void {
    if ((flags & h2.ACK) !== 0) {
      this.#control.onSettingsAck();
      return;
    }
    const { peer } = this.#control;
    const { initialWindow, maxStreams } = peer;
    const isFirst = !this.#control.greeted;
    if (!this.#control.onSettings(buffer, start, end)) return;
    this.encoder.setMaxTableSize(peer.headerTableSize);
    if (peer.initialWindow !== initialWindow && !this.#moveWindows(peer.initialWindow - initialWindow)) return;
    if (isFirst) this.#owner.onGreeted?.();
    if (this.#role === 'client' && peer.maxStreams > maxStreams) this.#owner.onMoreStreams();
  }

  /** RFC 9113, 6.9.2: open streams follow the initial window, below zero too. */
  #moveWindows(by: number): boolean {
    for (const stream of this.#streams.values()) {
      stream.sendWindow += by;
      if (stream.sendWindow <= h2.MAX_WINDOW) continue;
      this.#control.fail(h2.FLOW_CONTROL_ERROR, 'the window of a stream is too large');
      return false;
    }
    if (by > 0) this.#queue.pumpAll();
    return true;
  }

  #onGoAway(lastId: number): void {
    if (!this.#control.charge(CHEAP)) return;
    this.#control.onPeerGoAway();
    if (this.#role === 'client') {
      for (const stream of [...this.#streams.values()]) {
        if (stream.id > lastId) this.#close(stream, h2.REFUSED_STREAM, true);
      }
    }
    this.#control.endWhenDone();
  }

  // --- what streams ask for

  onResumed(stream: Stream, withheld: number): void {
    this.#windows.resume(stream, withheld);
  }

  onWaiting(stream: Stream): void {
    this.#queue.add(stream);
  }

  onLocalEnd(stream: Stream): void {
    this.#control.refund(1);
    if (stream.remoteEnded) this.#close(stream);
  }

  onLocalReset(stream: Stream, code: number): void {
    if (stream.closed) return;
    this.#resetLocally(stream, code);
    if (stream.localEnded) this.#control.refund(WASTED_STREAM);
    if (this.#role === 'client' && !stream.answered) this.#control.onGivenUp(stream.begunAtMs);
  }

  #resetLocally(stream: Stream, code: number): void {
    this.outbox.add(h2.resetText(stream.id, code));
    if (!stream.remoteEnded) this.#reset.add(stream.id);
    stream.user = NOBODY;
    this.#close(stream, code);
  }

  // --- the end of streams

  #sendReset(id: number, code: number): void {
    this.outbox.add(h2.resetText(id, code));
    this.#reset.add(id);
  }

  #streamError(stream: Stream, code: number, reason: string): void {
    const { user } = stream;
    const isUnanswered = this.#role === 'client' && !stream.answered;
    if (!stream.closed) this.#resetLocally(stream, code);
    if (isUnanswered) user.onBadAnswer?.(reason);
    else user.onReset(code, false);
    // A peer can have a stream reset as well as reset it, and as often.
    this.#control.charge(WASTED_STREAM);
  }

  /** With a code: it did not come to its end. */
  #close(stream: Stream, code = -1, unprocessed = false): void {
    const wasFull = this.#streams.size >= this.#control.peer.maxStreams;
    this.#forget(stream);
    if (this.wire.blocked) this.#undrained++;
    if (code >= 0) stream.user.onReset(code, unprocessed);
    else this.#control.refund(WASTED_STREAM);
    if (!this.#control.open) return;
    if (wasFull && this.#role === 'client') this.#owner.onMoreStreams();
    if (this.#streams.size === 0) {
      this.chunks.clear();
      this.#owner.onIdle();
    }
    this.#control.endWhenDone();
  }

  // --- what its control asks for

  get lastId(): number {
    return this.#lastId;
  }

  stopReading(): void {
    this.#reader.stop();
    this.#windows.close();
    // To see its end.
    this.wire.resume();
  }

  resetAll(code: number): void {
    for (const stream of [...this.#streams.values()]) {
      this.#forget(stream);
      stream.user.onReset(code, false);
    }
  }

  #forget(stream: Stream): void {
    this.#streams.delete(stream.id);
    this.#queue.remove(stream);
    stream.close();
  }
}
