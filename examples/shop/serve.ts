// How each program of the shop serves HTTP: on loopback, with plain answers, ending cleanly on SIGTERM. Used by all five.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  /** A string goes out as it is, anything else as JSON. */
  body: unknown;
}

export type Handler = (request: IncomingMessage, url: URL) => Promise<Answer> | Answer;

export const notFound: Answer = { status: 404, body: { error: 'not found' } };

const DRAIN_MS = 5_000;
const MAX_BODY_BYTES = 64 * 1024;

/** The body of a request as text; longer ones than a form or an order can be are refused. */
export const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES) throw new Error('the body is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** The body of a request as JSON, or undefined when it is not JSON. */
export const readJson = async (request: IncomingMessage): Promise<unknown> => {
  const text = await readBody(request);
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const send = (response: ServerResponse, answer: Answer) => {
  const isText = typeof answer.body === 'string';
  const body = isText ? (answer.body as string) : `${JSON.stringify(answer.body)}\n`;
  response.writeHead(answer.status, {
    'content-type': isText ? 'text/html; charset=utf-8' : 'application/json',
    'content-length': Buffer.byteLength(body),
    ...answer.headers,
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
};

const answerTo = async (request: IncomingMessage, handle: Handler): Promise<Answer> => {
  try {
    return await handle(request, new URL(request.url ?? '/', 'http://localhost'));
  } catch (error) {
    return { status: 500, body: { error: error instanceof Error ? error.message : String(error) } };
  }
};

/** Serves on 127.0.0.1 and the port in PORT until SIGTERM or SIGINT; requests that have begun are finished. */
export const serve = (name: string, handle: Handler): void => {
  const server = createServer(async (request, response) => send(response, await answerTo(request, handle)));
  const stop = () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), DRAIN_MS).unref();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  server.on('error', (error) => {
    console.error(`${name}: ${error.message}`);
    process.exit(1);
  });
  server.listen(Number(process.env.PORT ?? 9080), '127.0.0.1', () => {
    console.log(`${name}: serves on 127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
};
