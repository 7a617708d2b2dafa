// HTTP to the API: keep-alive, the CA, the token, bounded answers, plain errors. Used by client.ts only.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { messageOf, WeftError } from '../lib/errors.ts';
import { Agent as HttpAgent, request as requestHttp } from '../lib/http.ts';
import type { Connection } from './connection.ts';
import { type ApiStatus, apiError, connectionError } from './failure.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly accept?: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  /** Parsed JSON, or the text where it is not JSON. */
  readonly body: unknown;
  /** The texts of `Warning` headers. */
  readonly warnings: readonly string[];
}

export interface Transport {
  /** Sends one request and reads the whole answer. Throws WeftError for anything but 2xx. */
  call(call: Call): Promise<Answer>;
  /** Sends one request and gives the open body of a 2xx answer. */
  stream(call: Call): Promise<IncomingMessage>;
  close(): void;
}

const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
const MAX_ERROR_BYTES = 1024 * 1024;
// How long the API may stay silent inside one request; watches are not under it.
const SILENCE_MS = 30_000;

const isLoopback = (hostname: string): boolean => {
  const host = hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
};

const readBody = async (message: IncomingMessage, limit: number, server: string): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) {
      message.destroy();
      throw new WeftError('CLIENT_BAD_ANSWER', `the answer of ${server} is larger than ${limit / 1024 / 1024} MiB`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const parseBody = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

const warningsOf = (message: IncomingMessage): string[] => {
  const found: string[] = [];
  for (const header of message.headersDistinct.warning ?? []) {
    for (const [, quoted] of header.matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g))
      found.push(quoted!.replace(/\\(.)/g, '$1'));
  }
  return found;
};

const isAbort = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'AbortError' || ('code' in error && error.code === 'ABORT_ERR'));

export const openTransport = (connection: Connection): Transport => {
  const url = new URL(connection.server);
  const server = url.origin;
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:') {
    throw new WeftError('CLIENT_BAD_KUBECONFIG', `the server ${server} is neither https nor http`);
  }
  if (!secure && connection.token && !isLoopback(url.hostname)) {
    throw new WeftError('CLIENT_NOT_TLS', `a token is not sent to ${server} in plain text`, { hint: 'use https://' });
  }
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, maxSockets: 32, ...(connection.caPem ? { ca: connection.caPem } : {}) })
    : new HttpAgent({ keepAlive: true, maxSockets: 32 });
  const base = url.pathname.replace(/\/$/, '');

  const target = (call: Call): string => {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined && value !== '' && value !== false) query.set(name, String(value));
    }
    const text = query.toString();
    return `${base}${call.path}${text && `${call.path.includes('?') ? '&' : '?'}${text}`}`;
  };

  const send = (call: Call): { request: ClientRequest; answer: Promise<IncomingMessage> } => {
    const payload = call.body === undefined ? undefined : JSON.stringify(call.body);
    const options = {
      agent,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port || (secure ? 443 : 80),
      method: call.method,
      path: target(call),
      headers: {
        accept: call.accept ?? 'application/json',
        'user-agent': 'weft',
        ...(connection.token ? { authorization: `Bearer ${connection.token.reveal()}` } : {}),
        ...(payload === undefined
          ? {}
          : { 'content-type': call.contentType ?? 'application/json', 'content-length': Buffer.byteLength(payload) }),
      },
      ...(call.signal ? { signal: call.signal } : {}),
    };
    const request = secure ? requestHttps(options) : requestHttp(options);
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      request.on('response', resolve).on('error', reject);
      request.setTimeout(SILENCE_MS, () =>
        request.destroy(
          new WeftError('CLIENT_TIMEOUT', `${server} did not answer within ${SILENCE_MS / 1000}s`, {
            hint: 'see the log of the control plane',
          }),
        ),
      );
      request.end(payload);
    });
    return { request, answer };
  };

  const explain = (error: unknown): unknown =>
    error instanceof WeftError || isAbort(error) ? error : connectionError(server, connection.origin, error);

  const open = async (call: Call): Promise<{ request: ClientRequest; message: IncomingMessage }> => {
    const first = send(call);
    try {
      return { request: first.request, message: await first.answer };
    } catch (error) {
      // The server closed an idle connection just as it was used again: only a read may be repeated.
      if (!first.request.reusedSocket || call.method !== 'GET' || isAbort(error)) throw error;
      const second = send(call);
      return { request: second.request, message: await second.answer };
    }
  };

  const refuse = async (message: IncomingMessage): Promise<never> => {
    const body = parseBody(await readBody(message, MAX_ERROR_BYTES, server));
    const status: ApiStatus = typeof body === 'object' && body !== null ? body : { message: String(body).trim() };
    throw apiError(message.statusCode ?? 0, status);
  };

  const isSuccess = (message: IncomingMessage) => message.statusCode! >= 200 && message.statusCode! < 300;

  return {
    async call(call) {
      try {
        const { message } = await open(call);
        if (!isSuccess(message)) return await refuse(message);
        const body = parseBody(await readBody(message, MAX_ANSWER_BYTES, server));
        return { status: message.statusCode!, body, warnings: warningsOf(message) };
      } catch (error) {
        throw explain(error);
      }
    },
    async stream(call) {
      try {
        const { request, message } = await open(call);
        if (!isSuccess(message)) return await refuse(message);
        request.setTimeout(0);
        return message;
      } catch (error) {
        throw explain(error);
      }
    },
    close: () => agent.destroy(),
  };
};

/** The error that ended an open stream, made plain. */
export const streamError = (connection: Connection, error: unknown): unknown => {
  if (error instanceof WeftError || isAbort(error)) return error;
  const cause = messageOf(error) === 'aborted' ? new Error('the other side closed it') : error;
  return connectionError(connection.server, connection.origin, cause);
};
