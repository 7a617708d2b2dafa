// HTTP/2 on both sides of the proxy, with Node's own HTTP/2 as the peer.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { endpoint, type ProxyUnderTest, startProxy, toBackend } from '../../test/fakes/proxy-under-test.ts';

/** Node's HTTP/2 has the same interface for it. */
type Handler = (req: IncomingMessage, res: ServerResponse) => void;
type Http2Handler = (req: Http2ServerRequest, res: Http2ServerResponse) => void;
type Version = 'http1' | 'http2';

interface Answer {
  readonly headers: IncomingHttpHeaders & IncomingHttpStatusHeader;
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly body: string;
}

const openBackend = async (t: TestContext, version: Version, handler: Handler): Promise<number> => {
  const server: Server =
    version === 'http1'
      ? createServer(handler)
      : createHttp2Server({ settings: { enableConnectProtocol: true } }, handler as unknown as Http2Handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
};

const openClient = (t: TestContext, proxy: ProxyUnderTest): ClientHttp2Session => {
  const client = connect(`http://127.0.0.1:${proxy.port()}`);
  client.on('error', () => {});
  t.after(() => client.destroy());
  return client;
};

const answerOf = (stream: ClientHttp2Stream): Promise<Answer> =>
  new Promise((resolve, reject) => {
    let headers: Answer['headers'] = {};
    let trailers: IncomingHttpHeaders | undefined;
    let body = '';
    stream.setEncoding('utf8');
    stream.on('response', (got) => {
      headers = got;
    });
    stream.on('trailers', (got) => {
      trailers = got;
    });
    stream.on('data', (piece: string) => {
      body += piece;
    });
    stream.on('error', reject);
    stream.on('end', () => resolve({ headers, trailers, body }));
  });

const ask = (client: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string): Promise<Answer> => {
  const stream = client.request({ ':authority': 'x.test', ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return answerOf(stream);
};

for (const version of ['http1', 'http2'] as const) {
  test(`HTTP/2 to ${version}: head, body and status both ways`, async (t) => {
    const port = await openBackend(t, version, (req, res) => {
      let got = '';
      req.setEncoding('utf8');
      req.on('data', (piece: string) => {
        got += piece;
      });
      req.on('end', () => {
        res.writeHead(201, {
          'x-version': req.httpVersion,
          'x-host': String(req.headers[':authority'] ?? req.headers.host),
        });
        res.end(`${req.method} ${req.url} ${got}`);
      });
    });
    const proxy = await startProxy(toBackend([endpoint(port)], { cluster: { protocol: version } }));
    t.after(() => proxy.close());
    const client = openClient(t, proxy);
    const answers = await Promise.all([
      ask(client, { ':path': '/a?b=c' }),
      ask(client, { ':method': 'POST', ':path': '/p' }, 'hello'),
    ]);
    assert.deepEqual(
      answers.map(({ headers, body }) => [headers[':status'], headers['x-version'], headers['x-host'], body]),
      [
        [201, version === 'http1' ? '1.1' : '2.0', 'x.test', 'GET /a?b=c '],
        [201, version === 'http1' ? '1.1' : '2.0', 'x.test', 'POST /p hello'],
      ],
    );
  });
}
