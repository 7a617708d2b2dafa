// A client of gRPC-Web over HTTP/1.1, as a browser is one without HTTP/2; its messages are text.
import { once } from 'node:events';
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

export interface WebAnswer {
  readonly status: number | undefined;
  readonly fields: IncomingHttpHeaders;
  readonly messages: readonly string[];
  readonly trailers: Readonly<Record<string, string>>;
}

/** Base64 may be padded in the middle. */
const fromText = (text: string): Buffer =>
  Buffer.concat((text.match(/[^=]+=*/g) ?? []).map((piece) => Buffer.from(piece, 'base64')));

const frameOf = (message: string): Buffer => {
  const frame = Buffer.concat([Buffer.alloc(5), Buffer.from(message)]);
  frame.writeUInt32BE(frame.length - 5, 1);
  return frame;
};

export class WebCall {
  readonly type: string;
  readonly #text: boolean;
  readonly #request: ClientRequest;
  readonly #head: Promise<IncomingMessage>;
  #pieces: AsyncIterator<Buffer> | undefined;
  #waiting = Buffer.alloc(0);
  #letters = '';
  readonly trailers: Record<string, string> = {};

  constructor(port: number, host: string, method: string, text: boolean, fields: Record<string, string> = {}) {
    this.#text = text;
    this.type = `application/grpc-web${text ? '-text' : ''}+proto`;
    const headers = { host, 'content-type': this.type, accept: this.type, 'x-grpc-web': '1', ...fields };
    const path = `/test.Echo/${method}`;
    this.#request = request({ port, host: '127.0.0.1', method: 'POST', path, headers, agent: false });
    this.#head = once(this.#request, 'response').then(([answer]) => answer);
  }

  get head(): Promise<IncomingMessage> {
    return this.#head;
  }

  write(message: string): this {
    const frame = frameOf(message);
    return this.writeRaw(this.#text ? Buffer.from(frame.toString('base64')) : frame);
  }

  writeRaw(bytes: Buffer): this {
    this.#request.write(bytes);
    return this;
  }

  end(): this {
    this.#request.end();
    return this;
  }

  /** The next message; undefined at the end, when `trailers` are there too. */
  async next(): Promise<string | undefined> {
    const frame = await this.#frame();
    if (!frame) return undefined;
    const payload = frame.toString('latin1', 5);
    if (frame[0] === 0) return payload;
    for (const [, name, value] of payload.matchAll(/(.+?): ?(.*)\r\n/g)) this.trailers[name!] = value!;
    return this.next();
  }

  /** Everything until the end. */
  async whole(): Promise<WebAnswer> {
    const messages: string[] = [];
    for (let next = await this.next(); next !== undefined; next = await this.next()) messages.push(next);
    const { statusCode: status, headers: fields } = await this.#head;
    return { status, fields, messages, trailers: this.trailers };
  }

  async #frame(): Promise<Buffer | undefined> {
    while (this.#waiting.length < 5 || this.#waiting.length < 5 + this.#waiting.readUInt32BE(1)) {
      this.#pieces ??= (await this.#head)[Symbol.asyncIterator]();
      const { done, value } = await this.#pieces.next();
      if (done) return undefined;
      this.#waiting = Buffer.concat([this.#waiting, this.#decoded(value)]);
    }
    const size = 5 + this.#waiting.readUInt32BE(1);
    const frame = this.#waiting.subarray(0, size);
    this.#waiting = this.#waiting.subarray(size);
    return frame;
  }

  #decoded(piece: Buffer): Buffer {
    if (!this.#text) return piece;
    const letters = this.#letters + piece.toString('latin1');
    const whole = letters.length - (letters.length % 4);
    this.#letters = letters.slice(whole);
    return fromText(letters.slice(0, whole));
  }
}
