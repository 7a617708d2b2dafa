// Sends the calls of filters' cases, over HTTP/1.1 or as calls of gRPC, and says what came back. Used by
// test/interop/filters.test.ts.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:http2';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { FilterCall } from '../../src/filters/filter-case.ts';
import { PROGRAM_HEADER } from './stepping-program.ts';

const LOOPBACK = '127.0.0.1';

export interface CallAnswer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Decoded. */
  readonly body: string;
  /** It broke off. */
  readonly cut: boolean;
}

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};

const decoded = (bytes: Buffer, encoding = ''): string => (DECODERS[encoding]?.(bytes) ?? bytes).toString();

/** The rest of a body after a pause. */
const sendBody = (
  out: { write(text: string): unknown; end(text?: string): unknown },
  { body, pauseMs }: FilterCall,
): void => {
  if (body === undefined || pauseMs === undefined) {
    out.end(body);
    return;
  }
  out.write(body.slice(0, -1));
  setTimeout(() => out.end(body.slice(-1)), pauseMs);
};

export const callFilters = (port: number, host: string, call: FilterCall): Promise<CallAnswer> =>
  call.grpc ? callGrpc(port, host, call) : callHttp(port, host, call);

const callHttp = (port: number, host: string, call: FilterCall): Promise<CallAnswer> =>
  new Promise((resolve, reject) => {
    const { method = 'GET', path = '/', headers = [], body, chunked, program = {} } = call;
    const sized = chunked
      ? ['transfer-encoding', 'chunked']
      : ['content-length', String(Buffer.byteLength(body ?? ''))];
    const length = body === undefined ? [] : sized;
    const sent = ['host', host, PROGRAM_HEADER, JSON.stringify(program), ...length, ...headers];
    const asked = httpRequest({ host: LOOPBACK, port, path, method, headers: sent, agent: false, setHost: false });
    let fail = reject;
    asked
      .on('error', (error) => fail(error))
      .on('response', (response) => {
        const pieces: Buffer[] = [];
        const done = (cut: boolean) => {
          const { statusCode: status, headers: fields } = response;
          const bytes = Buffer.concat(pieces);
          resolve({
            status,
            headers: fields,
            body: cut ? bytes.toString() : decoded(bytes, fields['content-encoding']),
            cut,
          });
        };
        fail = () => done(true);
        response.on('error', fail).on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () => done(false));
      });
    sendBody(asked, call);
  });

const callGrpc = (port: number, host: string, call: FilterCall): Promise<CallAnswer> =>
  new Promise((resolve, reject) => {
    const { path = '/test.Program/Do', headers = [], program = {} } = call;
    const fields: Record<string, string> = {};
    for (let i = 0; i < headers.length; i += 2) fields[headers[i]!] = headers[i + 1]!;
    const session = connect(`http://${LOOPBACK}:${port}`).on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      ':authority': host,
      'content-type': 'application/grpc',
      te: 'trailers',
      [PROGRAM_HEADER]: JSON.stringify(program),
      ...fields,
    });
    let answered: IncomingHttpHeaders = {};
    let body = '';
    stream
      .on('error', () => {})
      .on('response', (head) => {
        answered = head as IncomingHttpHeaders;
      });
    stream.on('data', (piece) => {
      body += piece;
    });
    stream.on('close', () => {
      session.destroy();
      resolve({ status: Number(answered[':status']), headers: answered, body, cut: stream.rstCode !== 0 });
    });
    sendBody(stream, call);
  });
