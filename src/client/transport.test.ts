import { deepEqual, equal, rejects } from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type FakeServerTls, openServer } from '../../test/fakes/http-server.ts';
import { makeSelfSigned } from '../../test/fakes/self-signed.ts';
import { Secret } from '../lib/secret.ts';
import { openClient } from './client.ts';

const services = { group: '', version: 'v1', plural: 'services', namespaced: true };

const serve = async (t: TestContext, listener: RequestListener, tls?: FakeServerTls) => {
  const server = await openServer(listener, tls);
  t.after(() => server.close());
  return server;
};

const clientFor = (t: TestContext, server: string, more: { caPem?: string; token?: Secret } = {}) => {
  const client = openClient({ server, ...more });
  t.after(() => client.close());
  return client;
};

const status = (code: number, reason: string, message: string) =>
  JSON.stringify({ kind: 'Status', code, reason, message });

test('answers that are not success become errors with a next step', async (t) => {
  const cases: [code: number, reason: string, message: string, want: string][] = [
    [401, 'Unauthorized', 'the token is not known', 'API_UNAUTHORIZED'],
    [401, 'Unauthorized', 'the token expired at 2026-01-01', 'API_TOKEN_EXPIRED'],
    [403, 'Forbidden', 'no', 'API_FORBIDDEN'],
    [404, 'NotFound', 'services "a" not found', 'API_NOT_FOUND'],
    [409, 'Conflict', 'changed', 'API_CONFLICT'],
    [409, 'AlreadyExists', 'there', 'API_EXISTS'],
    [410, 'Expired', 'old', 'API_GONE'],
    [413, 'RequestEntityTooLarge', 'big', 'API_TOO_LARGE'],
    [422, 'Invalid', 'spec.x: wrong', 'API_INVALID'],
    [507, '', 'disk full', 'API_STORE_FULL'],
    [502, '', 'bad', 'API_FAILED'],
  ];
  let current = cases[0]!;
  const { url } = await serve(t, (_, response) => {
    response.writeHead(current[0], { 'content-type': 'application/json' });
    response.end(status(current[0], current[1], current[2]));
  });
  const client = clientFor(t, url);
  for (current of cases) {
    await rejects(client.get(services, 'a', { namespace: 'default' }), { code: current[3], message: current[2] });
  }
});

test('an error that is not a Status is shown as it is', async (t) => {
  const { url } = await serve(t, (_, response) => response.writeHead(404).end('nothing here\n'));
  await rejects(clientFor(t, url).version(), { code: 'API_NOT_FOUND', message: 'nothing here' });
});

test('another program that answers something else is named', async (t) => {
  const { url } = await serve(t, (_, response) => response.end('<html>hello</html>'));
  await rejects(clientFor(t, url).version(), { code: 'CLIENT_BAD_ANSWER' });
});

test('paths, queries, bodies and the token arrive as they should', async (t) => {
  const seen: unknown[] = [];
  const { url } = await serve(t, (request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      seen.push([request.method, request.url, request.headers.authorization, request.headers['content-type'], body]);
      response.setHeader('warning', '299 - "unknown field \\"spec.x\\"", 299 - "second"');
      response.end('{"kind":"Service","metadata":{"name":"a"}}');
    });
  });
  const client = clientFor(t, url, { token: new Secret('t0ken') });
  const written = await client.patch(services, { name: 'a', namespace: 'shop' }, { spec: null }, { dryRun: true });
  deepEqual(written.warnings, ['unknown field "spec.x"', 'second']);
  await client.get({ ...services, group: 'g.io', namespaced: false }, 'a b/c', { namespace: 'ignored' });
  deepEqual(seen, [
    [
      'PATCH',
      '/api/v1/namespaces/shop/services/a?dryRun=All&fieldManager=weft',
      'Bearer t0ken',
      'application/merge-patch+json',
      '{"spec":null}',
    ],
    ['GET', '/apis/g.io/v1/services/a%20b%2Fc', 'Bearer t0ken', undefined, ''],
  ]);
});

test('all pages of a list are one list', async (t) => {
  const { url } = await serve(t, (request, response) => {
    const cursor = new URL(request.url ?? '', 'http://x').searchParams.get('continue');
    const metadata = { resourceVersion: '7', ...(cursor === null ? { continue: 'next' } : {}) };
    const items = [{ metadata: { name: cursor === null ? 'a' : 'b' } }];
    response.end(JSON.stringify({ kind: 'ServiceList', apiVersion: 'v1', metadata, items }));
  });
  const { items, resourceVersion } = await clientFor(t, url).list(services);
  equal(resourceVersion, '7');
  deepEqual(items, [
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' } },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'b' } },
  ]);
});

test('connections that can not be made say why', async (t) => {
  const closed = await openServer(() => {});
  await closed.close();
  await rejects(clientFor(t, closed.url).version(), {
    code: 'CLIENT_UNREACHABLE',
    message: `nothing listens at ${closed.url}`,
    hint: /weft up/,
  });
  const plain = await serve(t, (_, response) => response.end('{}'));
  await rejects(clientFor(t, plain.url.replace('http:', 'https:')).version(), { code: 'CLIENT_NOT_TLS' });
  const rude = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve));
  t.after(() => rude.close());
  const address = rude.address() as { port: number };
  await rejects(clientFor(t, `http://127.0.0.1:${address.port}`).version(), { code: 'CLIENT_CONNECTION_LOST' });
});

test('the certificate must be of the trusted authority, for this address, and valid now', async (t) => {
  const tls = makeSelfSigned();
  const { url } = await serve(t, (_, response) => response.end('{"gitVersion":"v1"}'), tls);
  equal((await clientFor(t, url, { caPem: tls.certPem }).version()).gitVersion, 'v1');
  await rejects(clientFor(t, url).version(), { code: 'CLIENT_UNTRUSTED' });
  const foreign = makeSelfSigned();
  await rejects(clientFor(t, url, { caPem: foreign.certPem }).version(), { code: 'CLIENT_UNTRUSTED' });
  for (const options of [{ address: '10.1.2.3' }, { notAfter: new Date('2021-01-01') }]) {
    const bad = makeSelfSigned(options);
    const server = await serve(t, (_, response) => response.end('{}'), bad);
    await rejects(clientFor(t, server.url, { caPem: bad.certPem }).version(), { code: 'CLIENT_UNTRUSTED' });
  }
});

test('a token is not sent in plain text beyond this machine', () => {
  const open = () => openClient({ server: 'http://10.0.0.1:7070', token: new Secret('x') });
  try {
    open();
  } catch (error) {
    equal((error as { code?: string }).code, 'CLIENT_NOT_TLS');
    return;
  }
  throw new Error('the client was opened');
});

test('a stream ends with its signal, and says when the server broke it', async (t) => {
  const { url } = await serve(t, (request, response) => {
    response.write('{"n":1}\n');
    if (request.url === '/broken') setImmediate(() => response.destroy());
  });
  const client = clientFor(t, url);
  const abort = new AbortController();
  const lines = client.getLines('/open', {}, abort.signal);
  deepEqual((await lines.next()).value, { n: 1 });
  abort.abort();
  await rejects(lines.next(), { name: 'AbortError' });
  const broken = client.getLines('/broken');
  deepEqual((await broken.next()).value, { n: 1 });
  await rejects(broken.next(), { code: 'CLIENT_CONNECTION_LOST' });
});
