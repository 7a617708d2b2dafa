// The shop as five plain processes without a mesh: a page that took all five, and what it says when one can't be had.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';

const SHOP = join(import.meta.dirname, '../../examples/shop');

interface Program {
  child: ChildProcess;
  port: number;
  url: string;
}

const startProgram = async (t: TestContext, path: string, env: Record<string, string> = {}): Promise<Program> => {
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [path], {
    env: { ...inherited, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  for await (const line of createInterface(child.stdout)) {
    const port = /serves on 127\.0\.0\.1:(\d+)$/.exec(line)?.[1];
    if (port) return { child, port: Number(port), url: `http://127.0.0.1:${port}` };
  }
  throw new Error(`${path} ended before it served`);
};

const startFake = async (t: TestContext, listener: RequestListener): Promise<string> => {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const startShop = async (t: TestContext, env: Record<string, string> = {}) => {
  const program = (name: string, extra: Record<string, string> = {}) =>
    startProgram(t, join(SHOP, `${name}.ts`), { ...extra, ...env });
  const [catalogue, reviews, payments] = await Promise.all([
    program('catalogue'),
    program('reviews', { VERSION: 'v2' }),
    program('payments'),
  ]);
  const orders = await program('orders', { PAYMENTS_URL: payments.url });
  const front = await program('front', {
    CATALOGUE_URL: catalogue.url,
    REVIEWS_URL: reviews.url,
    ORDERS_URL: orders.url,
  });
  return { catalogue, reviews, payments, orders, front };
};

const textOf = async (url: string, init?: RequestInit): Promise<string> => (await fetch(url, init)).text();

test('the front page takes all five services and says which reviews answered', async (t) => {
  const { front } = await startShop(t);
  const page = await textOf(front.url);
  for (const part of ['Table loom', 'from reviews v2', '4 of 5 stars', '<td>1001</td>', 'paid']) {
    assert.ok(page.includes(part), `the page has ${part}`);
  }
  assert.ok(!page.includes('Not available'));

  const bought = await fetch(`${front.url}/buy`, { method: 'POST', body: 'product=reed', redirect: 'manual' });
  assert.equal(bought.status, 303);
  assert.match(await textOf(front.url), /<td>1002<\/td><td>reed<\/td>\s*<td class="price">€ 41.00<\/td><td>paid<\/td>/);

  assert.equal((await fetch(`${front.url}/buy`, { method: 'POST', body: 'product=sail' })).status, 400);
  assert.equal((await fetch(`${front.url}/admin`)).status, 404);
});

test('a call that is denied or fails is said on the page, and the rest of it stays', async (t) => {
  const denies = await startFake(t, (_, response) => response.writeHead(403).end('RBAC: access denied'));
  const { front } = await startShop(t, { REVIEWS_URL: denies, PAYMENTS_URL: 'http://127.0.0.1:1' });
  const page = await textOf(front.url);
  assert.ok(page.includes('Not available now: reviews: 403 RBAC: access denied'), page);
  assert.ok(page.includes('Table loom'));
  assert.match(page, /payments: .*ECONNREFUSED|payments: bad port/);
});

test('what a service says is escaped', async (t) => {
  const odd = await startFake(t, (_, response) =>
    response.end(JSON.stringify({ version: '<b>', reviews: [{ reviewer: '<script>', text: '"&' }] })),
  );
  const { front } = await startShop(t, { REVIEWS_URL: odd });
  const page = await textOf(front.url);
  assert.ok(page.includes('from reviews &lt;b&gt;') && page.includes('&lt;script&gt;') && page.includes('&quot;&amp;'));
  assert.ok(!page.includes('<script>'));
});

test('the request id and the trace are passed on through front and orders', async (t) => {
  const seen: IncomingHttpHeaders[] = [];
  const payments = await startFake(t, (request, response) => {
    seen.push(request.headers);
    response.end('{"payments":[]}');
  });
  const { front } = await startShop(t, { PAYMENTS_URL: payments });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await textOf(front.url, { headers: { 'x-request-id': 'r-1', traceparent, cookie: 'a=b' } });
  assert.equal(seen.length, 1);
  assert.equal(seen[0]!['x-request-id'], 'r-1');
  assert.equal(seen[0]!.traceparent, traceparent);
  assert.equal(seen[0]!.cookie, undefined);
});

test('with HTTP_PROXY set, as weft run sets it, every call between them goes through the proxy by name', async (t) => {
  const ports = new Map<string, number>();
  const calls: string[] = [];
  const portOf = (authority: string) => ports.get(authority.replace(':9080', '')) ?? 1;
  const proxy = createServer(async (request, response) => {
    const target = new URL(request.url!);
    calls.push(`${request.method} ${target.host}`);
    const answer = await fetch(`http://127.0.0.1:${portOf(target.host)}${target.pathname}`);
    response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
  });
  proxy.on('connect', (request, socket) => {
    calls.push(`CONNECT ${request.url}`);
    const upstream = connect(portOf(request.url!), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [socket, upstream]) end.on('error', () => {});
    t.after(() => upstream.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    proxy.close();
    proxy.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const env = { HTTP_PROXY: url, NO_PROXY: '127.0.0.1,localhost', NODE_USE_ENV_PROXY: '1' };
  const names = ['catalogue', 'reviews', 'orders', 'payments', 'front'];
  const programs = await Promise.all(names.map((name) => startProgram(t, join(SHOP, `${name}.ts`), env)));
  names.forEach((name, i) => {
    ports.set(name, programs[i]!.port);
  });
  const page = await textOf(programs[4]!.url);
  assert.ok(page.includes('from reviews v1') && page.includes('paid') && !page.includes('Not available'), page);
  assert.deepEqual(calls.sort(), [
    'CONNECT catalogue:9080',
    'CONNECT orders:9080',
    'CONNECT reviews:9080',
    'GET payments:9080',
  ]);
});

test('each program ends on SIGTERM with status 0', async (t) => {
  const names = ['catalogue', 'reviews', 'orders', 'payments', 'front'].map((name) => join(SHOP, `${name}.ts`));
  const paths = [...names, join(SHOP, '../reviews-v3/reviews.mjs')];
  const programs = await Promise.all(paths.map((path) => startProgram(t, path)));
  for (const { child } of programs) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  }
});

test("the tour's own release of reviews speaks the shop's form", async (t) => {
  const v3 = await startProgram(t, join(SHOP, '../reviews-v3/reviews.mjs'));
  const { front } = await startShop(t, { REVIEWS_URL: v3.url });
  assert.match(await textOf(front.url), /from reviews v3/);
});
