// One HTTP/1.1 request as a test needs it: to a port of this machine whatever the request's target says. Used by the
// tests of features.
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly body: string;
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
  /** Over TLS: whom to believe, and the name to ask for. */
  readonly ca?: string;
  readonly servername?: string;
}

export const readAnswer = (response: IncomingMessage): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      const { statusCode = 0, headers, trailers } = response;
      resolve({ status: statusCode, headers, trailers, body: Buffer.concat(chunks).toString('latin1') });
    });
  });

/** On a new connection to `port`; `path` is sent as it is, so it may be an absolute URL. */
export const call = (port: number, path: string, options: CallOptions = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body, ca, servername } = options;
    const target = { host: '127.0.0.1', port, path, method, headers: { ...headers }, agent: false as const };
    const sent =
      ca === undefined ? request(target) : secureRequest({ ...target, ca, ...(servername && { servername }) });
    sent.on('response', (response) => readAnswer(response).then(resolve, reject));
    sent.on('error', reject);
    sent.end(body);
  });

export interface RawOptions {
  /** Ends this side once the bytes are sent. */
  readonly end?: boolean;
  /** Enough was read; else it is read until the peer ends. */
  readonly until?: (text: string) => boolean;
}

/** Sends bytes on a new connection; what came back, as latin1. A reset counts as an end. */
export const rawCall = (port: number, bytes: string | Buffer, options: RawOptions = {}): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let text = '';
    const finish = () => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (options.until?.(text)) finish();
    });
    socket.on('end', finish).on('error', finish).on('close', finish);
    if (options.end) socket.end(bytes);
    else socket.write(bytes);
  });

/** CONNECT to `authority` on the proxy at `port`; the socket is open for use where the status is 200. */
export const openTunnel = (port: number, authority: string): Promise<{ status: number; socket: Socket }> =>
  new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method: 'CONNECT', path: authority, headers: { host: authority } });
    sent.on('connect', (response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      socket.on('error', () => socket.destroy());
      resolve({ status: response.statusCode ?? 0, socket: socket as Socket });
    });
    sent.on('response', (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, socket: response.socket });
    });
    sent.on('error', reject);
    sent.end();
  });
