// The program behind the cases of filters: over HTTP/1.1 and HTTP/2 it does with each attempt what the request says, and
// tells what it saw. Used by test/interop/filters.test.ts.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { ProgramStep } from '../../src/filters/filter-case.ts';

const LOOPBACK = '127.0.0.1';
export const PROGRAM_HEADER = 'x-program';

export interface Seen {
  readonly headers: IncomingHttpHeaders;
  /** Undefined until it has come. */
  body?: string;
}

export class SteppingProgram {
  readonly #http1 = createServer((request, response) => this.#take(request, response));
  readonly #http2 = createHttp2Server((request, response) => this.#take(request, response));
  #seen: Seen[] = [];

  async open(): Promise<void> {
    // What a client gave up is no error here.
    this.#http2.on('sessionError', () => {}).on('session', (session) => session.on('error', () => {}));
    for (const server of [this.#http1, this.#http2]) await once(server.listen(0, LOOPBACK), 'listening');
  }

  get port(): number {
    return (this.#http1.address() as AddressInfo).port;
  }

  get http2Port(): number {
    return (this.#http2.address() as AddressInfo).port;
  }

  /** Of the present call. */
  get attempts(): readonly Seen[] {
    return this.#seen;
  }

  /** A new call begins. */
  forget(): void {
    this.#seen = [];
  }

  #take(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
    const seen: Seen = { headers: request.headers };
    const steps = [JSON.parse(String(request.headers[PROGRAM_HEADER] ?? '{}')) as ProgramStep | ProgramStep[]].flat();
    const step = steps[Math.min(this.#seen.length, steps.length - 1)]!;
    this.#seen.push(seen);
    const pieces: Buffer[] = [];
    request
      .on('error', () => {})
      .on('data', (piece: Buffer) => pieces.push(piece))
      .on('end', () => {
        seen.body = Buffer.concat(pieces).toString();
        if (step.does === 'reset') request.socket.destroy();
        else if (step.does === 'hang') return;
        else if (step.delayMs === undefined) answer(step, response as ServerResponse);
        else setTimeout(() => answer(step, response as ServerResponse), step.delayMs);
      });
  }

  async close(): Promise<void> {
    this.#http1.close();
    this.#http1.closeAllConnections();
    this.#http2.close();
  }
}

const answer = (
  { status = 200, headers = [], body = 'ok', length, trailers, does }: ProgramStep,
  response: ServerResponse,
): void => {
  response.on('error', () => {});
  const bytes = Buffer.byteLength(body) + (does === 'stall' ? 1 : 0);
  const announced = trailers ? ['trailer', Object.keys(trailers).join(', ')] : [];
  response.writeHead(status, [
    ...(length === false ? [] : ['content-length', String(bytes)]),
    ...announced,
    ...headers,
  ]);
  if (trailers) response.addTrailers(trailers);
  if (does === 'stall') response.write(body);
  else response.end(body);
};
