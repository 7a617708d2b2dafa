import assert from 'node:assert/strict';
import { request as nodeRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import { openServer } from '../../test/fakes/http-server.ts';
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
import { type RawPeer, type RawServer, rawClient, rawServer, until } from '../../test/fakes/raw-peer.ts';

interface Setup {
  proxy: ProxyUnderTest;
  server: RawServer;
  client: RawPeer;
}

/** A raw client, the proxy, a raw backend. */
const setup = async (t: TestContext, more: Parameters<typeof toBackend>[1] = {}, options = {}): Promise<Setup> => {
  const server = await rawServer();
  const proxy = await startProxy(toBackend([endpoint(server.port)], more), options);
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await server.close();
  });
  return { proxy, server, client };
};

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const GET = 'GET /a?b HTTP/1.1\r\nHost: x.test\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: x.test\r\n';

test('a request goes upstream as parsed, with ids and forwarding headers, and the answer comes back', async (t) => {
  const { proxy, server, client } = await setup(t);
  client.write('GET /a?b HTTP/1.1\r\nHost: X.test\r\nX-Mine: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n');
  const upstream = await server.peer(0);
  const head = await upstream.take('\r\n\r\n');
  assert.match(head, /^GET \/a\?b HTTP\/1\.1\r\nhost: x\.test\r\nx-mine: 1\r\n/);
  assert.match(head, /\r\nx-forwarded-proto: http\r\n/);
  assert.match(head, /\r\nx-request-id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}\r\n/);
  assert.match(head, /\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r\n/);
  assert.doesNotMatch(head, /x-hop|connection/);
  upstream.write('HTTP/1.1 404 Gone Fishing\r\nContent-Length: 2\r\nX-A: b\r\nKeep-Alive: timeout=5\r\n\r\nno');
  assert.equal(await client.take('no'), 'HTTP/1.1 404 Not Found\r\nx-a: b\r\ncontent-length: 2\r\n\r\nno');
  const event = await proxy.event(0);
  assert.deepEqual(
    [
      event.http?.method,
      event.http?.path,
      event.http?.host,
      event.http?.status,
      event.bytesSent,
      event.attempts,
      event.flags,
    ],
    ['GET', '/a', 'x.test', 404, 2, 1, []],
  );
  assert.deepEqual([event.route, event.cluster, event.tls], ['r', 'b', 'none']);
  assert.equal(event.destination.address, `127.0.0.1:${server.port}`);
});

test('ids of the caller are kept within the mesh and replaced at the edge; traceparent is kept', async (t) => {
  const trace = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-00`;
  const mine = `GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nTraceparent: ${trace}\r\nX-Forwarded-Client-Cert: By=me\r\n\r\n`;
  for (const edge of [false, true]) {
    const { server, client } = await setup(t, { handler: { edge } });
    client.write(mine);
    const head = await (await server.peer(0)).take('\r\n\r\n');
    assert.equal(head.includes('x-request-id: mine\r\n'), !edge);
    assert.equal(head.includes('x-forwarded-for: 1.2.3.4\r\n'), !edge);
    assert.equal(head.includes('x-forwarded-for: 127.0.0.1\r\n'), edge);
    assert.equal(head.includes('x-forwarded-proto: https\r\n'), !edge);
    assert.ok(head.includes(`traceparent: ${trace}\r\n`));
    assert.ok(!head.includes('x-forwarded-client-cert'));
  }
});

test('connections on both sides are used again', async (t) => {
  const { proxy, server, client } = await setup(t);
  for (let i = 0; i < 3; i++) {
    client.write(GET);
    const upstream = await server.peer(0);
    await upstream.take('\r\n\r\n');
    upstream.write(OK);
    await client.take('\r\n\r\nok');
  }
  assert.equal(server.peers.length, 1);
  assert.equal(proxy.proxy.stats().clusters.b?.connections, 1);
});

test('pipelined requests are answered one after the other, in order', async (t) => {
  const backend = await openServer((req, res) => res.end(`<${req.url}>`));
  const proxy = await startProxy(toBackend([endpoint(backend.port)]));
  t.after(async () => {
    await proxy.close();
    await backend.close();
  });
  const client = await rawClient(proxy.port());
  const paths = Array.from({ length: 40 }, (_, i) => `/${i}`);
  client.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
  for (const path of paths) assert.match(await client.take('>'), new RegExp(`<${path}>$`));
  client.destroy();
});

test('a body behind the head is not taken for the next request, whatever the split', async (t) => {
  const { server, client } = await setup(t);
  const text = `${POST}Content-Length: 5\r\n\r\nhello${GET}`;
  for (const byte of text) {
    client.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const upstream = await server.peer(0);
  assert.match(await upstream.take('hello'), /content-length: 5\r\n\r\nhello$/);
  upstream.write(OK);
  await client.take('\r\n\r\nok');
  assert.match(await upstream.take('\r\n\r\n'), /^GET \/a\?b /);
});

test('chunked bodies are framed anew, with their trailers, both ways', async (t) => {
  const { server, client } = await setup(t);
  client.write(`${POST}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n`);
  const upstream = await server.peer(0);
  assert.match(
    await upstream.take('x-sum: 1\r\n\r\n'),
    /transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n$/,
  );
  upstream.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 2\r\n\r\n');
  assert.match(await client.take('x-t: 2\r\n\r\n'), /transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n/);
});

const answers: Record<string, { ask?: string; upstream: string; want: RegExp; closes?: boolean }> = {
  'HEAD keeps the length of what GET would get': {
    ask: 'HEAD / HTTP/1.1\r\nHost: x\r\n\r\n',
    upstream: 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n',
    want: /^HTTP\/1\.1 200 OK\r\ncontent-length: 7\r\n\r\n$/,
  },
  '204 has neither body nor length': {
    upstream: 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n',
    want: /^HTTP\/1\.1 204 No Content\r\n\r\n$/,
  },
  '304 has no body': {
    upstream: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n',
    want: /^HTTP\/1\.1 304 Not Modified\r\netag: x\r\ncontent-length: 5\r\n\r\n$/,
  },
  'an answer until the close is chunked': {
    upstream: 'HTTP/1.1 200 OK\r\n\r\nhello',
    closes: true,
    want: /transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/,
  },
  'HTTP/1.0 gets an answer until the close': {
    ask: 'GET / HTTP/1.0\r\nHost: x\r\n\r\n',
    upstream: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    want: /^HTTP\/1\.1 200 OK\r\nconnection: close\r\n\r\nhello$/,
  },
  'early hints are passed on': {
    upstream: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    want: /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\ncontent-length: 0\r\n\r\n$/,
  },
};

for (const [name, { ask = GET, upstream, want, closes }] of Object.entries(answers)) {
  test(name, async (t) => {
    const { server, client } = await setup(t);
    client.write(ask);
    const peer = await server.peer(0);
    await peer.take('\r\n\r\n');
    peer.write(upstream);
    if (closes) peer.end();
    await until(() => want.test(client.text), `${want}; got ${JSON.stringify(client.text)}`);
  });
}

const refused: Record<string, { text: string; status: number }> = {
  'a length and chunked': {
    text: `${POST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    status: 400,
  },
  'a lone LF': { text: 'GET / HTTP/1.1\nHost: x\n\n', status: 400 },
  'a lone LF before the head has ended': { text: 'GET / HTTP/1.1\nHost: x\r\n', status: 400 },
  'an oversize head': { text: `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(70_000)}`, status: 431 },
  'TLS to a plain port': { text: '\x16\x03\x01\x00\x05\n\n\n', status: 400 },
  'a path that normalizes to two things': { text: 'GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n', status: 400 },
  'CONNECT to no explicit proxy': { text: 'CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n', status: 405 },
};

for (const [name, { text, status }] of Object.entries(refused)) {
  test(`answers ${status} to ${name} and closes`, async (t) => {
    const { proxy, server, client } = await setup(t);
    client.write(text);
    assert.match(await client.rest(), new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*connection: close\\r\\n`));
    assert.equal(server.peers.length, 0);
    assert.deepEqual((await proxy.event(0)).flags, ['DPE']);
  });
}

test('a bad chunk is answered 400 and the upstream request is cut off', async (t) => {
  const { server, client } = await setup(t);
  client.write(`${POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
  const upstream = await server.peer(0);
  await upstream.take('abc');
  client.write('zz\r\n');
  assert.match(await client.rest(), /^HTTP\/1\.1 400 /);
  await until(() => upstream.ended, 'the upstream connection is closed');
});

test('100 (Continue) is asked for and passed on', async (t) => {
  const { server, client } = await setup(t);
  client.write(`${POST}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`);
  const upstream = await server.peer(0);
  assert.match(await upstream.take('\r\n\r\n'), /expect: 100-continue/);
  upstream.write('HTTP/1.1 100 Continue\r\n\r\n');
  assert.equal(await client.take('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  client.write('hi');
  await upstream.take('hi');
  upstream.write(OK);
  assert.match(await client.take('\r\n\r\nok'), /^HTTP\/1\.1 200 /);
});

test('refused before its body, a request that expected 100 ends the connection', async (t) => {
  const { server, client } = await setup(t);
  client.write(`${POST}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`);
  const upstream = await server.peer(0);
  await upstream.take('\r\n\r\n');
  upstream.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
  assert.match(await client.rest(), /^HTTP\/1\.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n/);
});

test('an early answer comes through; the rest of the body is read and thrown away, and the connection goes on', async (t) => {
  const { server, client } = await setup(t);
  client.write(`${POST}Content-Length: 10\r\n\r\nhello`);
  const upstream = await server.peer(0);
  await upstream.take('hello');
  upstream.write(OK);
  await client.take('\r\n\r\nok');
  client.write(`world${GET}`);
  const second = await server.peer(1);
  assert.match(await second.take('\r\n\r\n'), /^GET /);
  assert.ok(!upstream.text.includes('world'));
  second.write(OK);
  await client.take('\r\n\r\nok');
});

test('a slow reader holds the upstream back; memory stays bounded', async (t) => {
  const total = 64 * 1024 * 1024;
  let written = 0;
  const backend = await openServer((_, res) => {
    const piece = Buffer.alloc(65_536, 'x');
    const more = () => {
      while (written < total) {
        written += piece.length;
        if (!res.write(piece)) {
          res.once('drain', more);
          return;
        }
      }
      res.end();
    };
    more();
  });
  const proxy = await startProxy(toBackend([endpoint(backend.port)]));
  t.after(async () => {
    await proxy.close();
    await backend.close();
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  const client = nodeRequest({ port: proxy.port(), host: '127.0.0.1' }, (answer) => {
    answer.pause();
    let before = -1;
    const look = setInterval(() => {
      // It has come to rest: every buffer on the way is full.
      if (written !== before) {
        before = written;
        return;
      }
      clearInterval(look);
      assert.ok(written < total / 2, `${written} bytes were taken from the upstream`);
      let size = 0;
      answer.on('data', (data: Buffer) => {
        size += data.length;
      });
      answer.on('end', () => resolve(size));
      answer.resume();
    }, 100);
  });
  client.end();
  assert.equal(await promise, total);
});

test('a slow reader gets the whole of an answer that closes', async (t) => {
  const { server, client } = await setup(t, {}, { limits: { lingerMs: 5 } });
  client.socket.pause();
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const upstream = await server.peer(0);
  await upstream.take('\r\n\r\n');
  const size = 20_000_000;
  upstream.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`).write('x'.repeat(size));
  // Long enough for a linger that counts from the wrong moment to cut it off.
  await new Promise((resolve) => setTimeout(resolve, 50));
  client.socket.resume();
  const text = await client.rest();
  assert.equal(text.length - text.indexOf('\r\n\r\n') - 4, size);
});

test('a large upload arrives whole', async (t) => {
  let size = 0;
  const backend = await openServer((req, res) => {
    req.on('data', (data: Buffer) => {
      size += data.length;
    });
    req.on('end', () => res.end(String(size)));
  });
  const proxy = await startProxy(toBackend([endpoint(backend.port)]));
  t.after(async () => {
    await proxy.close();
    await backend.close();
  });
  for (const body of [
    Buffer.alloc(5_000_000, 'x'),
    new ReadableStream({
      start: (controller) => {
        for (let i = 0; i < 50; i++) controller.enqueue(Buffer.alloc(100_000, 'y'));
        controller.close();
      },
    }),
  ]) {
    size = 0;
    const answer = await fetch(`http://127.0.0.1:${proxy.port()}/`, { method: 'POST', body, duplex: 'half' });
    assert.equal(await answer.text(), '5000000');
  }
});

test('redirects, direct answers, invalid backends and paths without a route are answered by the proxy', async (t) => {
  const at = (path: string) => ({
    match: { path: { type: 'exact' as const, value: path }, headers: [], queryParams: [] },
  });
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([chain(httpHandler())])],
      domains: ['x.test'],
      routes: [
        route({ type: 'redirect', scheme: 'https', status: 301 }, at('/r')),
        route({ type: 'direct', status: 418, body: 'tea' }, at('/d')),
        route(forward('invalid-backend'), at('/i')),
        route(forward('b'), at('/n')),
      ],
      clusters: [cluster('b', [])],
    }),
  );
  t.after(() => proxy.close());
  const client = await rawClient(proxy.port());
  const ask = async (path: string, host = 'x.test') => {
    client.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const head = await client.take('\r\n\r\n');
    return head + (await client.take(/content-length: 0/.test(head) ? '' : path === '/d' ? 'tea' : '\n'));
  };
  assert.match(await ask('/r'), /^HTTP\/1\.1 301 [\s\S]*location: https:\/\/x\.test\/r\r\n/);
  assert.match(await ask('/d'), /^HTTP\/1\.1 418 [\s\S]*content-length: 3\r\n[\s\S]*tea$/);
  assert.match(await ask('/i'), /^HTTP\/1\.1 500 /);
  assert.match(await ask('/n'), /^HTTP\/1\.1 503 [\s\S]*no healthy upstream\n$/);
  assert.match(await ask('/x'), /^HTTP\/1\.1 404 [\s\S]*no route/);
  assert.match(await ask('/r', 'y.test'), /^HTTP\/1\.1 404 /);
  assert.deepEqual(
    proxy.events.map((event) => event.flags.join()),
    ['', '', '', 'UH', 'NR', 'NR'],
  );
  client.destroy();
});

test('a denied request gets 403 and its event names the policy', async (t) => {
  const server = await rawServer();
  const authorization = [{ name: 'weft-system/default-deny', action: 'ALLOW' as const, rules: [] }];
  const proxy = await startProxy(toBackend([endpoint(server.port)], { handler: { authorization } }));
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await server.close();
  });
  client.write(GET);
  assert.match(await client.take('denied\n'), /^HTTP\/1\.1 403 [\s\S]*RBAC: access denied\n$/);
  const event = await proxy.event(0);
  assert.deepEqual(event.flags, ['RBAC']);
  assert.deepEqual([event.policy?.verdict, event.policy?.names], ['deny', ['weft-system/default-deny']]);
  assert.equal(server.peers.length, 0);
});

test('a virtual host goes by its own policies, the others by those of the handler', async (t) => {
  const direct = route({ type: 'direct', status: 200, body: 'in\n' });
  const closed = { authorization: [{ name: 'n/closed', action: 'ALLOW' as const, rules: [] }] };
  const base = snapshot({ listeners: [listener([chain(httpHandler(closed))])] });
  const virtualHosts = [
    { name: 'open', domains: ['open.test'], routes: [direct], authorization: [] },
    { name: 'other', domains: ['*'], routes: [direct] },
  ];
  const proxy = await startProxy({ ...base, routes: new Map([['all', { name: 'all', virtualHosts, tunnels: [] }]]) });
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
  });
  const ask = async (target: string, host: string) => {
    client.write(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const head = await client.take('\r\n\r\n');
    await client.take('\n');
    return Number(head.slice(9, 12));
  };
  assert.equal(await ask('/', 'open.test'), 200);
  assert.equal(await ask('/', 'any.test'), 403);
  assert.equal(await ask('http://any.test/', 'open.test'), 403, 'by the name that is routed by');
});

test('a slow head is answered 408; a connection without requests is closed', async (t) => {
  const slow = await setup(t, { handler: { headTimeoutMs: 30 } });
  slow.client.write('GET / HT');
  assert.match(await slow.client.rest(), /^HTTP\/1\.1 408 /);
  const idle = await setup(t, { handler: { idleTimeoutMs: 30 } });
  assert.equal(await idle.client.rest(), '');
});

test('more connections than the limit are closed at once', async (t) => {
  const { proxy, client } = await setup(t, {}, { limits: { maxConnections: 1 } });
  const second = await rawClient(proxy.port());
  await second.rest();
  assert.equal(second.text, '');
  assert.equal(client.ended, false);
});
