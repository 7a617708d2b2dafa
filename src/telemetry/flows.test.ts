import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import type { TrafficEvent } from '../model/event.ts';
import { flowsHandler } from './flows.ts';
import { openHub } from './hub.ts';

const event = (route: string, verdict: 'allow' | 'deny' = 'allow'): TrafficEvent => ({
  startMs: 1,
  durationMs: 2,
  proxy: 'p',
  direction: 'inbound',
  protocol: 'http',
  source: {},
  destination: { service: 'a', namespace: 'default' },
  bytesReceived: 0,
  bytesSent: 0,
  flags: [],
  route,
  attempts: 1,
  tls: 'mutual',
  policy: { verdict, names: ['a/b'], reason: '' },
});

const open = async (t: TestContext) => {
  const hub = openHub({ clock: systemClock });
  const handle = flowsHandler(hub);
  const server = createServer((req, res) => handle(req, res));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    hub.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const url = (path: string) => `http://127.0.0.1:${port}/weft/v1/${path}`;
  const fetchText = async (path: string) => {
    const [response] = (await once(get(url(path), { agent: false }), 'response')) as [IncomingMessage];
    const chunks = await response.toArray();
    return {
      status: response.statusCode!,
      type: response.headers['content-type'],
      text: Buffer.concat(chunks).toString(),
    };
  };
  /** Opens a stream and returns a reader of its lines. */
  const follow = async (path: string) => {
    const req = get(url(path), { agent: false });
    const [response] = (await once(req, 'response')) as [IncomingMessage];
    response.on('error', () => {});
    const reader = createInterface({ input: response });
    // Tests leave while streams go on.
    reader.on('error', () => {});
    const lines = reader[Symbol.asyncIterator]();
    const next = async (): Promise<TrafficEvent | undefined> => {
      const { value, done } = await lines.next();
      return done ? undefined : JSON.parse(value);
    };
    return { req, response, next };
  };
  return { hub, url, fetchText, follow };
};

const routes = (text: string): string[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).route);

test('the past ends by itself', async (t) => {
  const { hub, fetchText } = await open(t);
  for (const route of ['1', '2', '3']) hub.add(event(route));
  hub.add(event('4', 'deny'));
  const { status, type, text } = await fetchText('flows?limit=3');
  assert.deepEqual([status, type], [200, 'application/x-ndjson']);
  assert.deepEqual(routes(text), ['2', '3', '4']);
  assert.deepEqual(routes((await fetchText('flows?verdict=deny')).text), ['4']);
  assert.deepEqual(routes((await fetchText('flows?limit=0')).text), []);
});

test('following gives the past and then what comes, filtered alike', async (t) => {
  const { hub, follow } = await open(t);
  hub.add(event('1', 'deny'));
  hub.add(event('2'));
  const { next } = await follow('flows?follow=true&verdict=deny');
  assert.equal((await next())?.route, '1');
  hub.add(event('3'));
  hub.add(event('4', 'deny'));
  assert.equal((await next())?.route, '4');
});

test('a follower is answered before anything flows, and ended with the hub', async (t) => {
  const { hub, follow } = await open(t);
  const { response, next } = await follow('flows?follow=true');
  assert.equal(response.statusCode, 200);
  hub.close();
  assert.equal(await next(), undefined);
});

test('a reader who does not read costs a bounded number of lines', async (t) => {
  const { hub, url } = await open(t);
  const req = get(url('flows?follow=true'), { agent: false });
  const [response] = (await once(req, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  response.pause();
  const filler = 'x'.repeat(2000);
  for (let i = 0; i < 20_000; i++) hub.add({ ...event(String(i)), cluster: filler });
  hub.add(event('last'));
  let count = 0;
  let last = '';
  for await (const line of createInterface({ input: response })) {
    count++;
    last = JSON.parse(line).route;
    if (last === 'last') hub.close();
  }
  assert.equal(last, 'last', 'the newest are there');
  assert.ok(count < 10_000, `${count} lines were kept`);
});

test('followers are limited, and leave room when they go', async (t) => {
  const { fetchText, follow } = await open(t);
  const all = [];
  for (let i = 0; i < 100; i++) all.push(await follow('flows?follow=true'));
  const { status, text } = await fetchText('flows?follow=true');
  assert.deepEqual([status, JSON.parse(text).reason], [429, 'TooManyRequests']);
  all[0]!.req.destroy();
  for (;;) {
    const again = await follow('flows?follow=true');
    if (again.response.statusCode === 200) break;
    again.response.resume();
  }
});

const refused: Record<string, [path: string, status: number, message: RegExp]> = {
  'an unknown parameter': ['flows?verdikt=deny', 400, /verdikt is no parameter.*verdict/],
  'a wrong verdict': ['flows?verdict=denied', 400, /verdict=deny/],
  'a wrong limit': ['flows?limit=-1', 400, /0 to 10000/],
  'too large a limit': ['flows?limit=10001', 400, /0 to 10000/],
  'a wrong status': ['flows?status=9xx', 400, /status/],
  'a wrong flag': ['flows?follow=maybe', 400, /neither true nor false/],
  'another path': ['flowers', 404, /no \/weft\/v1\/flowers/],
};

for (const [name, [path, status, message]] of Object.entries(refused)) {
  test(`refuses ${name}`, async (t) => {
    const { fetchText } = await open(t);
    const answer = await fetchText(path);
    assert.equal(answer.status, status);
    assert.match(JSON.parse(answer.text).message, message);
  });
}

test('empty parameters are as good as none', async (t) => {
  const { fetchText } = await open(t);
  assert.equal((await fetchText('flows?from=&to=&status=&verdict=&limit=&all=false')).status, 200);
});

test('only GET', async (t) => {
  const { url } = await open(t);
  const [response] = (await once(request(url('flows'), { method: 'POST', agent: false }).end(), 'response')) as [
    IncomingMessage,
  ];
  response.resume();
  assert.deepEqual([response.statusCode, response.headers.allow], [405, 'GET']);
});

test('stats are JSON', async (t) => {
  const { hub, fetchText } = await open(t);
  hub.add(event('1'));
  const { status, text } = await fetchText('stats');
  const stats = JSON.parse(text);
  assert.deepEqual([status, stats.events, stats.services[0].name, stats.services[0].total], [200, 1, 'a', 1]);
});
