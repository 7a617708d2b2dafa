// HTTP/2 on both sides of the proxy, with Node's own HTTP/2 as the peer.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import {
  openProgram,
  type Program,
  SAMPLE_ACCEPT,
  VERSIONS,
  type Version,
  type VersionClient,
  versionClient,
} from '../../test/fakes/http-versions.ts';
import {
  chain,
  cluster,
  endpoint,
  forward,
  httpHandler,
  listener,
  type ProxyUnderTest,
  route,
  snapshot,
  startProxy,
  toBackend,
} from '../../test/fakes/proxy-under-test.ts';
import { until } from '../../test/fakes/raw-peer.ts';
import { makeSelfSigned } from '../../test/fakes/self-signed.ts';
import { statsOf } from './admin/stats.ts';

/** Node's HTTP/2 has the same interface for it. */
type Handler = (req: IncomingMessage, res: ServerResponse) => void;
type Http2Handler = (req: Http2ServerRequest, res: Http2ServerResponse) => void;

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

/** A client of one version, the proxy, and a program of another. */
const setup = async (
  t: TestContext,
  from: Version,
  to: Version,
  more: Parameters<typeof toBackend>[1] = {},
): Promise<{ client: VersionClient; program: Program; proxy: ProxyUnderTest }> => {
  const program = await openProgram(to);
  const proxy = await startProxy(
    toBackend([endpoint(program.port)], { ...more, cluster: { protocol: to, ...more.cluster } }),
  );
  const client = versionClient(from, proxy.port());
  t.after(async () => {
    client.close();
    await proxy.close();
    program.close();
  });
  return { client, program, proxy };
};

for (const from of VERSIONS) {
  for (const to of VERSIONS) {
    test(`WebSocket from ${from} to ${to}: keys, bytes and the end of each side`, async (t) => {
      const { client, proxy } = await setup(t, from, to);
      const { stream, headers } = await client.webSocket({ host: 'x.test', path: '/ws' });
      assert.equal(headers['sec-websocket-accept'], from === 'http1' ? SAMPLE_ACCEPT : undefined);
      if (to === 'http1') assert.match(String(headers['x-key']), /^[A-Za-z0-9+/]{22}==$/);
      let said = '';
      stream.on('data', (data: Buffer) => {
        said += data;
      });
      stream.write('ping');
      await once(stream, 'data');
      const ended = once(stream, 'end');
      stream.write('bye');
      await ended;
      stream.end();
      assert.equal(said, 'pingbye');
      const event = await proxy.event(0);
      assert.deepEqual([event.http?.status, event.bytesReceived, event.bytesSent, event.flags], [101, 7, 7, []]);
    });
  }
}

test('an extended CONNECT is not answered 200 by a program that does not switch', async (t) => {
  const port = await openBackend(t, 'http1', (_req, res) => res.end('plain'));
  const proxy = await startProxy(toBackend([endpoint(port)]));
  t.after(() => proxy.close());
  const client = versionClient('http2', proxy.port());
  t.after(() => client.close());
  await assert.rejects(client.webSocket({ host: 'x.test', path: '/ws' }), /status 502/);
});

test('an Upgrade to a program without extended CONNECT goes as a plain request', async (t) => {
  const server = createHttp2Server((req, res) => {
    res.writeHead(426, { 'x-method': req.method });
    res.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const proxy = await startProxy(toBackend([endpoint(port)], { cluster: { protocol: 'http2' } }));
  t.after(() => proxy.close());
  const client = versionClient('http1', proxy.port());
  t.after(() => client.close());
  await assert.rejects(client.webSocket({ host: 'x.test', path: '/ws' }), /status 426/);
});

test('an Upgrade to h2c is not taken', async (t) => {
  const { client } = await setup(t, 'http1', 'http1');
  const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' };
  assert.equal((await client.ask({ host: 'x.test', path: '/echo', headers })).status, 200);
});

/** A program of HTTP/2 whose streams and sessions the test handles itself. */
const openRawHttp2 = async (
  t: TestContext,
  onStream: (stream: ServerHttp2Stream, nth: number) => void,
): Promise<number> => {
  const server = createHttp2Server();
  let count = 0;
  server.on('stream', (stream) =>
    onStream(
      stream.on('error', () => {}),
      count++,
    ),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
};

const say = (stream: ServerHttp2Stream, text: string): void => {
  stream.respond({ ':status': 200 });
  stream.end(text);
};

test('a stream that was refused is sent once more, body and all, whatever its method', async (t) => {
  const port = await openRawHttp2(t, (stream, nth) => {
    if (nth === 0) stream.close(constants.NGHTTP2_REFUSED_STREAM);
    else {
      let body = '';
      stream.setEncoding('utf8').on('data', (piece: string) => {
        body += piece;
      });
      stream.on('end', () => say(stream, body));
    }
  });
  const proxy = await startProxy(toBackend([endpoint(port)], { cluster: { protocol: 'http2' } }));
  t.after(() => proxy.close());
  const client = openClient(t, proxy);
  const { body } = await ask(client, { ':method': 'POST', ':path': '/' }, 'precious');
  assert.equal(body, 'precious');
  assert.equal((await proxy.event(0)).attempts, 2);
});

test('a stream that is refused again and again is given up', async (t) => {
  const port = await openRawHttp2(t, (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
  const proxy = await startProxy(toBackend([endpoint(port)], { cluster: { protocol: 'http2' } }));
  t.after(() => proxy.close());
  const { headers } = await ask(openClient(t, proxy), { ':path': '/' });
  assert.equal(headers[':status'], 503);
  assert.equal((await proxy.event(0)).attempts, 4);
});

test('a program that says GOAWAY loses no request: what is open goes on, what comes gets another connection', async (t) => {
  const sessions = new Set<unknown>();
  const held: ServerHttp2Stream[] = [];
  const port = await openRawHttp2(t, (stream, nth) => {
    sessions.add(stream.session);
    if (nth > 0) {
      say(stream, 'next');
      return;
    }
    held.push(stream);
    stream.session!.close();
  });
  const proxy = await startProxy(toBackend([endpoint(port)], { cluster: { protocol: 'http2' } }));
  t.after(() => proxy.close());
  const client = openClient(t, proxy);
  const first = ask(client, { ':path': '/held' });
  await until(() => held.length > 0, 'the first request comes');
  const others = await Promise.all(
    Array.from({ length: 5 }, () => ask(client, { ':method': 'POST', ':path': '/' }, 'x')),
  );
  say(held[0]!, 'held');
  assert.equal((await first).body, 'held');
  assert.deepEqual(
    others.map(({ body }) => body),
    ['next', 'next', 'next', 'next', 'next'],
  );
  assert.equal(sessions.size, 2);
});

test('connections are made as the streams on one are used up, and requests wait for the last', async (t) => {
  const sessions = new Set<unknown>();
  const held: ServerHttp2Stream[] = [];
  const server = createHttp2Server({ settings: { maxConcurrentStreams: 2 } });
  server.on('stream', (stream) => {
    sessions.add(stream.session);
    held.push(stream.on('error', () => {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const proxy = await startProxy(toBackend([endpoint(port)], { cluster: { protocol: 'http2', maxConnections: 2 } }));
  t.after(() => proxy.close());
  const client = openClient(t, proxy);
  // The limits are known from here on.
  const warm = ask(client, { ':path': '/' });
  await until(() => held.length === 1, 'the first request comes');
  say(held.shift()!, 'a');
  await warm;
  const answers = Array.from({ length: 6 }, () => ask(client, { ':path': '/' }));
  await until(() => held.length === 4, 'as many come as there is room for');
  for (let i = 0; i < 6; i++) {
    await until(() => held.length > 0, 'the next request comes');
    say(held.shift()!, 'b');
  }
  assert.deepEqual(new Set((await Promise.all(answers)).map(({ body }) => body)), new Set(['b']));
  assert.equal(sessions.size, 2);
});

test('what has gone from the configuration says GOAWAY to its clients, and finishes what they asked', async (t) => {
  const { proxy, program } = await setup(t, 'http2', 'http1');
  const client = openClient(t, proxy);
  const said = once(client, 'goaway');
  const closed = once(client, 'close');
  const asked = client.request({ ':authority': 'x.test', ':path': '/hang' });
  asked.on('error', () => {});
  await program.asked('/hang');
  const drained = proxy.proxy.drain(5000);
  await said;
  assert.equal(asked.closed, false);
  asked.close();
  await closed;
  await drained;
});

test('a client that asks nothing any more is sent away after the idle timeout', async (t) => {
  const { proxy } = await setup(t, 'http2', 'http1', { handler: { idleTimeoutMs: 50 } });
  const client = openClient(t, proxy);
  const closed = once(client, 'close');
  assert.equal((await ask(client, { ':path': '/echo' })).headers[':status'], 200);
  await closed;
});

test('an upstream connection without requests is closed after its idle timeout', async (t) => {
  let closed = 0;
  const port = await openRawHttp2(t, (stream) => {
    stream.session!.on('close', () => closed++);
    say(stream, 'ok');
  });
  const proxy = await startProxy(toBackend([endpoint(port)], { cluster: { protocol: 'http2', idleTimeoutMs: 50 } }));
  t.after(() => proxy.close());
  const client = openClient(t, proxy);
  await ask(client, { ':path': '/' });
  await until(() => closed === 1, 'it is closed');
  assert.equal((await ask(client, { ':path': '/' })).body, 'ok');
});

test('a plain server behind a port declared for HTTP/2 is a clear failure', async (t) => {
  const { client, proxy } = await setup(t, 'http2', 'http1', { cluster: { protocol: 'http2' } });
  assert.equal((await client.ask({ host: 'x.test', path: '/echo' })).status, 503);
  assert.deepEqual((await proxy.event(0)).flags, ['UC']);
});

test('CONNECT over HTTP/2 opens tunnels side by side, with either version of HTTP inside', async (t) => {
  const program = await openProgram('http1');
  const tunnels = [{ authorities: ['web:80'], protocol: 'http' as const, targets: [{ cluster: 'b', weight: 1 }] }];
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([chain(httpHandler({ explicitProxy: true }))])],
      routes: [route(forward('b'))],
      clusters: [cluster('b', [endpoint(program.port)])],
      tunnels,
    }),
  );
  t.after(async () => {
    await proxy.close();
    program.close();
  });
  const client = openClient(t, proxy);
  const tunnel = async (authority: string): Promise<ClientHttp2Stream> => {
    const stream = client.request({ ':method': 'CONNECT', ':authority': authority }, { endStream: false });
    stream.on('error', () => {});
    const [headers] = (await once(stream, 'response')) as [IncomingHttpStatusHeader];
    assert.equal(headers[':status'], authority === 'web:80' ? 200 : 404);
    return stream;
  };
  await tunnel('nowhere:80');
  const [one, two] = [await tunnel('web:80'), await tunnel('web:80')];
  one.write('GET /echo HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n');
  let said = '';
  one.on('data', (data: Buffer) => {
    said += data;
  });
  await once(one, 'end');
  assert.match(said, /^HTTP\/1\.1 200 OK\r\n/);
  const inner = connect('http://web', { createConnection: () => two });
  t.after(() => inner.destroy());
  assert.equal((await ask(inner, { ':path': '/echo' })).headers[':status'], 200);
});

test('connections, requests and resets of HTTP/2 are counted under the names of Envoy', async (t) => {
  const { client, program, proxy } = await setup(t, 'http2', 'http2');
  await client.ask({ host: 'x.test', path: '/echo' });
  await client.abandon({ host: 'x.test', path: '/hang' }, program.asked('/hang'));
  await program.abandoned('/hang');
  const stats = new Map(statsOf(proxy.proxy.inspect()).map(({ name, value }) => [name, value]));
  const wanted = {
    'http.gateway.downstream_cx_http2_total': 1,
    'http.gateway.downstream_cx_http2_active': 1,
    'http.gateway.downstream_rq_http1_total': 0,
    'http.gateway.downstream_rq_http2_total': 2,
    'http.gateway.downstream_rq_rx_reset': 1,
    'cluster.b.upstream_cx_http1_total': 0,
    'cluster.b.upstream_cx_http2_total': 1,
  };
  assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((name) => [name, stats.get(name)])), wanted);
});

test('TLS clients that offer h2 get it, the others HTTP/1.1', async (t) => {
  const program = await openProgram('http1');
  const { certPem: chainPem, keyPem } = makeSelfSigned();
  const secrets = new Map([['s', { name: 's', chainPem, keyPem }]]);
  const tls = { mode: 'terminate' as const, secrets: ['s'] };
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([chain(httpHandler({ edge: true }), { tls })])],
      routes: [route(forward('b'))],
      clusters: [cluster('b', [endpoint(program.port)])],
      secrets,
    }),
  );
  t.after(async () => {
    await proxy.close();
    program.close();
  });
  const client = connect(`https://127.0.0.1:${proxy.port()}`, { ca: chainPem });
  t.after(() => client.destroy());
  const { headers } = await ask(client, { ':path': '/echo' });
  assert.deepEqual([headers[':status'], client.alpnProtocol], [200, 'h2']);
  const agreed = await Promise.all(
    [['http/1.1'], ['http/1.1', 'h2'], undefined].map(async (ALPNProtocols) => {
      const socket = connectTls({
        port: proxy.port(),
        host: '127.0.0.1',
        ca: chainPem,
        ...(ALPNProtocols && { ALPNProtocols }),
      });
      await once(socket, 'secureConnect');
      socket.destroy();
      return socket.alpnProtocol;
    }),
  );
  assert.deepEqual(agreed, ['http/1.1', 'h2', false]);
});

test('a client that goes away in the middle of an upload resets the stream upstream', async (t) => {
  const { client, program } = await setup(t, 'http1', 'http2');
  await client.abandon({ host: 'x.test', method: 'POST', path: '/hang', body: 'a' }, program.asked('/hang'));
  await program.abandoned('/hang');
});

test('a connection upstream that breaks fails what was answered, and repeats what may be repeated', async (t) => {
  let sessions = 0;
  const server = createHttp2Server();
  server.on('session', (session) => {
    const nth = sessions++;
    session
      .on('error', () => {})
      .on('stream', (stream: ServerHttp2Stream, headers) => {
        stream.on('error', () => {});
        if (nth > 0 || headers[':path'] === '/first') say(stream, `of session ${nth}`);
        else session.destroy();
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const proxy = await startProxy(toBackend([endpoint(port)], { cluster: { protocol: 'http2' } }));
  t.after(() => proxy.close());
  const client = openClient(t, proxy);
  assert.equal((await ask(client, { ':path': '/first' })).body, 'of session 0');
  const [get, post] = await Promise.all([
    ask(client, { ':path': '/' }),
    ask(client, { ':method': 'POST', ':path': '/' }, 'once'),
  ]);
  assert.equal(get.body, 'of session 1');
  assert.equal(post.headers[':status'], 503);
});

for (const from of VERSIONS) {
  for (const to of VERSIONS) {
    test(`early hints go from ${to} to ${from}, and an answer that is cut off stays one`, async (t) => {
      const { client, proxy } = await setup(t, from, to);
      const { status, body, interims } = await client.ask({ host: 'x.test', path: '/hints' });
      assert.deepEqual([status, body, interims], [200, 'hinted', [103]]);
      await assert.rejects(client.ask({ host: 'x.test', path: '/cut' }));
      const event = await proxy.event(1);
      assert.deepEqual([event.http?.status, event.flags], [200, ['UC']]);
    });
  }
}
