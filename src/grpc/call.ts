// One call of a gRPC client, as a stream of HTTP/2: messages both ways, and how it ended. Made by channel.ts.
import { type GrpcStatusName, grpcStatus } from '../model/grpc.ts';
import { grpcStatusOfHttp, isGrpcBody, readGrpcMessage, readGrpcStatus } from '../proxy/grpc/status.ts';
import type { ResponseMessage } from '../proxy/http1/head.ts';
import type { Http2Stream, Http2StreamUser } from '../proxy/http2/contract.ts';
import { CANCEL, ENHANCE_YOUR_CALM, REFUSED_STREAM } from '../proxy/http2/frames.ts';
import { MessageReader, messageHead } from './messages.ts';

export interface CallEnd {
  /** Of gRPC. */
  readonly code: number;
  readonly details: string;
  /** The server has not looked at it, so that it may be made again, whatever it is. */
  readonly isUnseen?: boolean;
}

/** What takes a call's answer. */
export interface CallUser {
  /** The server has let it in: the head of its answer is there. */
  onStarted?(): void;
  onMessage?(message: Buffer): void;
  /** `write` may go on. */
  onDrain?(): void;
  /** Called once, last. */
  onEnd(end: CallEnd): void;
}

export interface Call {
  /** False when so much waits that the caller should stop; `onDrain` follows. */
  write(message: Buffer): boolean;
  /** No message follows. */
  end(): void;
  cancel(): void;
}

export const endOf = (name: GrpcStatusName, details: string): CallEnd => ({ code: grpcStatus(name), details });

/** Codes of RST_STREAM, as gRPC reads them. */
const OF_RESET: ReadonlyMap<number, GrpcStatusName> = new Map([
  [REFUSED_STREAM, 'UNAVAILABLE'],
  [CANCEL, 'CANCELLED'],
  [ENHANCE_YOUR_CALM, 'RESOURCE_EXHAUSTED'],
]);

export class OpenCall implements Call, Http2StreamUser {
  readonly #user: Omit<CallUser, 'onEnd'>;
  readonly #onEnd: CallUser['onEnd'];
  readonly #reader: MessageReader;
  /** What was written before there was a stream. */
  readonly #early: Buffer[] = [];
  #hasEnded = false;
  #stream: Http2Stream | undefined;
  #onOver: (() => void) | undefined;
  #isOver = false;

  constructor(user: Omit<CallUser, 'onEnd'>, onEnd: CallUser['onEnd'], maxMessageBytes: number) {
    this.#user = user;
    this.#onEnd = onEnd;
    this.#reader = new MessageReader(maxMessageBytes);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** There is a stream for it; `onOver` is called when it needs that no more. */
  begin(stream: Http2Stream, onOver: () => void): void {
    this.#stream = stream;
    this.#onOver = onOver;
    for (const message of this.#early.splice(0)) this.write(message);
    if (this.#hasEnded) stream.end();
  }

  write(message: Buffer): boolean {
    const stream = this.#stream;
    if (this.#isOver) return false;
    if (!stream) {
      this.#early.push(message);
      return true;
    }
    stream.body(undefined, messageHead(message.length), 0, 5);
    stream.body(undefined, message, 0, message.length);
    return !stream.blocked;
  }

  end(): void {
    this.#hasEnded = true;
    this.#stream?.end();
  }

  cancel(): void {
    this.fail(endOf('CANCELLED', 'the call was cancelled'));
  }

  /** Ends it from here. */
  fail(end: CallEnd): void {
    if (this.#isOver) return;
    this.#stream?.reset(CANCEL);
    this.#finish(end);
  }

  #finish(end: CallEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onOver?.();
    this.#onEnd(end);
  }

  // --- the stream

  onAnswer(message: ResponseMessage, end: boolean): void {
    if (end) this.#onStatus(message.headers, message.status);
    else if (message.status !== 200 || !isGrpcBody(message)) {
      this.fail({ code: grpcStatusOfHttp(message.status), details: `HTTP status ${message.status}, and no gRPC` });
    } else this.#user.onStarted?.();
  }

  onBadAnswer(reason: string): void {
    this.#finish(endOf('INTERNAL', reason));
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    this.#reader.feed(Buffer.from(buffer.subarray(start, end)));
    while (!this.#isOver) {
      const message = this.#reader.next();
      if (message === undefined) return;
      if (typeof message === 'string') this.fail(endOf('RESOURCE_EXHAUSTED', message));
      else this.#user.onMessage?.(message);
    }
  }

  onBodyEnd(trailers: readonly string[] = []): void {
    if (!this.#reader.isBetween) this.fail(endOf('INTERNAL', 'the answer ended within a message'));
    else this.#onStatus(trailers, 200);
  }

  #onStatus(fields: readonly string[], httpStatus: number): void {
    const code = readGrpcStatus(fields);
    if (code !== undefined) this.#finish({ code, details: readGrpcMessage(fields) });
    else this.#finish({ code: grpcStatusOfHttp(httpStatus), details: `HTTP status ${httpStatus}, and none of gRPC` });
    // A server that has ended its side wants no more of ours.
    const stream = this.#stream!;
    if (!this.#hasEnded || stream.blocked) stream.reset(CANCEL);
  }

  onReadDone(): void {}

  onDrain(): void {
    this.#user.onDrain?.();
  }

  onReset(code: number, isUnseen: boolean): void {
    const { wire } = this.#stream!;
    // Its link tells why.
    if (wire.destroyed) return;
    if (wire.ended) this.#finish(endOf('UNAVAILABLE', 'the connection was closed'));
    else {
      const end = endOf(OF_RESET.get(code) ?? 'INTERNAL', `the stream was reset with the code ${code}`);
      this.#finish(isUnseen ? { ...end, isUnseen } : end);
    }
  }
}
