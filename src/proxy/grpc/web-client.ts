// The client of a call that speaks gRPC-Web, as gRPC's upstreams know clients: its request becomes one of gRPC, the answer
// one of gRPC-Web. Made by exchange.ts, between itself and the client's stream.
import type { ClientStream, LocalAnswer } from '../downstream/client-stream.ts';
import { CHUNKED, NO_BODY } from '../http1/body.ts';
import type { RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { Lender, Wire } from '../wires/wire.ts';
import { encodeText, TextReader, trailersFrame, type WebType, wantsText, webTypeOfAnswer } from './web.ts';

/** Of bytes that nobody changes any more. */
const OWN: Lender = { keep: (buffer, start, end) => buffer.subarray(start, end), leaveBuffer: () => {} };

export class GrpcWebClient implements ClientStream {
  readonly version = 'http2';
  readonly #down: ClientStream;
  readonly #reader: TextReader | undefined;
  readonly #text: boolean;
  /** The answer is one of gRPC that has a body. */
  #framed = false;

  /** Changes the head of the request. */
  constructor(down: ClientStream, message: RequestMessage, type: WebType) {
    this.#down = down;
    this.#reader = type.text ? new TextReader() : undefined;
    this.#text = wantsText(message);
    const { headers } = message;
    headers[headers.indexOf('content-type') + 1] = `application/grpc${type.format}`;
    message.teTrailers = true;
    if (!type.text) return;
    if (message.contentLength > 0) message.chunked = true;
    message.contentLength = -1;
  }

  /** A piece of the request's body as gRPC has it; undefined for what can't be read. */
  decode(buffer: Buffer, start: number, end: number): Buffer | undefined {
    return this.#reader ? this.#reader.read(buffer, start, end) : buffer.subarray(start, end);
  }

  /** False where the request's body ends in the middle. */
  get done(): boolean {
    return this.#reader?.done !== false;
  }

  // --- the answer

  answer(message: ResponseMessage, request: RequestMessage, bodyMode: number, close: boolean): void {
    const isCall = this.#rename(message.headers);
    this.#framed = isCall && bodyMode !== NO_BODY;
    if (this.#framed) message.contentLength = -1;
    this.#down.answer(message, request, this.#framed ? CHUNKED : bodyMode, close);
  }

  answerLocally(answer: LocalAnswer): void {
    const headers = [...answer.headers];
    this.#rename(headers);
    this.#down.answerLocally({ ...answer, headers });
  }

  /** Gives the type of the answer its name in gRPC-Web; false where it is no answer to a call. */
  #rename(headers: string[]): boolean {
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] !== 'content-type') continue;
      const type = webTypeOfAnswer(headers[i + 1]!, this.#text);
      if (type === undefined) return false;
      headers[i + 1] = type;
      return true;
    }
    return false;
  }

  body(from: Lender | undefined, buffer: Buffer, start: number, end: number): void {
    if (this.#framed && this.#text) this.#bytes(encodeText(buffer, start, end));
    else this.#down.body(from, buffer, start, end);
  }

  end(trailers: readonly string[] | undefined): void {
    if (!this.#framed) {
      this.#down.end(trailers);
      return;
    }
    const frame = trailersFrame(trailers ?? []);
    this.#bytes(this.#text ? encodeText(frame, 0, frame.length) : frame);
    this.#down.end(undefined);
  }

  #bytes(bytes: Buffer): void {
    this.#down.body(undefined, bytes, 0, bytes.length);
  }

  // --- as the client's stream has it

  get lender(): Lender {
    return this.#reader ? OWN : this.#down.lender;
  }

  get info(): ClientStream['info'] {
    return this.#down.info;
  }

  get self(): ClientStream['self'] {
    return this.#down.self;
  }

  get reading(): boolean {
    return this.#down.reading;
  }

  get mustClose(): boolean {
    return this.#down.mustClose;
  }

  get blocked(): boolean {
    return this.#down.blocked;
  }

  interim(message: ResponseMessage): void {
    this.#down.interim(message);
  }

  flush(): void {
    this.#down.flush();
  }

  pauseBody(): void {
    this.#down.pauseBody();
  }

  wantBody(): void {
    this.#down.wantBody();
  }

  setExchangeDeadline(at: number): void {
    this.#down.setExchangeDeadline(at);
  }

  clearExchangeDeadline(): void {
    this.#down.clearExchangeDeadline();
  }

  get needsSwitch(): boolean {
    return this.#down.needsSwitch;
  }

  switchProtocol(
    message: ResponseMessage,
    request: RequestMessage,
  ): { readonly wire: Wire; readonly early: Buffer | undefined } {
    return this.#down.switchProtocol(message, request);
  }

  exchangeDone(complete: boolean, close: boolean, requestDone: boolean): void {
    this.#down.exchangeDone(complete, close, requestDone);
  }
}
