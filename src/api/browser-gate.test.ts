// Tests of the browser port: cookies, host names, origins, the page's files; and of who may do what.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openThingApi, THINGS, type ThingApi, thing } from '../../test/fakes/thing-api.ts';

const page = mkdtempSync(join(tmpdir(), 'weft-page-'));
writeFileSync(join(page, 'index.html'), '<!doctype html><title>Mesh</title>');
writeFileSync(join(page, 'page.js'), 'export {};');
writeFileSync(join(page, 'notes.txt'), 'not for the page');
symlinkSync('/etc/hosts', join(page, 'hosts.css'));

let t: ThingApi;
let cookie: string;
before(async () => {
  const flows = new Map([
    ['/weft/v1/flows', (_: unknown, res: { end(text: string): void }, user: { name: string }) => res.end(user.name)],
  ]);
  t = await openThingApi({ page, extra: flows });
  const entered = await t.ask(`/?token=${t.adminToken}`, { token: '' });
  cookie = entered.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
});
after(async () => {
  await t.close();
  rmSync(page, { recursive: true });
});

const HTML = { accept: 'text/html' };
const withCookie = (headers: Record<string, string> = {}) => ({ token: '', headers: { cookie, ...headers } });

test('a token in the link becomes a cookie that scripts and other sites can not use', async () => {
  const entered = await t.ask(`/?token=${t.adminToken}`, { token: '' });
  assert.deepEqual([entered.status, entered.headers.location], [303, '/']);
  const set = entered.headers['set-cookie']?.[0] ?? '';
  assert.match(set, new RegExp(`^weft_session_${t.port}=[\\w.-]+; Path=/; Max-Age=\\d+; HttpOnly; SameSite=Strict$`));
  assert.ok(!set.includes(t.adminToken), 'the cookie is not the token itself');
});

test('with the cookie the page, its files and the API answer', async () => {
  const index = await t.ask('/', withCookie());
  assert.deepEqual([index.status, index.text], [200, '<!doctype html><title>Mesh</title>']);
  assert.match(String(index.headers['content-security-policy']), /default-src 'none'/);
  assert.equal((await t.ask('/page.js', withCookie())).headers['content-type'], 'text/javascript; charset=utf-8');
  assert.equal((await t.ask(THINGS, withCookie())).status, 200);
  assert.equal((await t.ask('/weft/v1/flows?follow=true', withCookie())).text, 'admin');
});

test('the cookie opens nothing as a bearer token', async () => {
  const token = cookie.split('=')[1]!;
  assert.equal((await t.ask(THINGS, { token })).status, 403);
});

test('the cookie opens no further session, so that a stolen one ends', async () => {
  const token = cookie.split('=')[1]!;
  const answer = await t.ask(`/?token=${token}`, { token: '' });
  assert.deepEqual([answer.status, answer.headers['set-cookie']], [403, undefined]);
  const link = await t.tokens.issue({
    subject: 'admin',
    groups: ['system:masters'],
    audience: 'weft-browser-link',
    ttlMs: 1000,
  });
  assert.equal((await t.ask(`/?token=${link.token}`, { token: '' })).status, 303);
});

test('without a token people get a page that says how to open it, programs get 401', async () => {
  const people = await t.ask('/', { token: '', headers: HTML });
  assert.equal(people.status, 401);
  assert.match(people.text, /Open the link that <code>weft up<\/code> printed/);
  const program = await t.ask(THINGS, { token: '' });
  assert.deepEqual(
    [program.status, program.json.reason, program.headers['www-authenticate']],
    [401, 'Unauthorized', 'Bearer realm="weft"'],
  );
  const badCookie = await t.ask('/', { token: '', headers: { ...HTML, cookie: `weft_session_${t.port}=x.y.z` } });
  assert.equal(badCookie.status, 401);
});

test('files outside the folder, of other types, or hidden are not served', async () => {
  for (const path of [
    '/notes.txt',
    '/hosts.css',
    '/%2e%2e/%2e%2e/etc/hosts',
    '/..%2fpage.js',
    '/.git/config',
    '/nope.js',
  ]) {
    assert.equal((await t.ask(path, withCookie())).status, 404, path);
  }
});

const hosts: Record<string, number> = {
  localhost: 200,
  'localhost:7070': 200,
  '127.0.0.1:7070': 200,
  '[::1]:7070': 200,
  'weft.localhost:7070': 200,
  'evil.example': 403,
  'localhost.evil.example': 403,
  '127.0.0.1.evil.example:7070': 403,
};

for (const [host, status] of Object.entries(hosts)) {
  test(`the host name ${host} gets ${status}`, async () => {
    assert.equal((await t.ask(THINGS, withCookie({ host }))).status, status);
  });
}

const writes: Record<string, { headers: Record<string, string>; bearer?: boolean; status: number }> = {
  'a change by cookie from the own origin is taken': { headers: { origin: 'own' }, status: 201 },
  'a change by cookie from another origin is refused': { headers: { origin: 'http://evil.example' }, status: 403 },
  'a change by cookie from another port is refused': { headers: { origin: 'http://127.0.0.1:1' }, status: 403 },
  'a change by cookie without an origin is refused': { headers: {}, status: 403 },
  'a change by bearer without an origin is taken': { headers: {}, bearer: true, status: 201 },
  'a change by bearer from another origin is refused': { headers: { origin: 'null' }, bearer: true, status: 403 },
  'what another local page asks by cookie is refused': {
    headers: { origin: 'own', 'sec-fetch-site': 'same-site' },
    status: 403,
  },
};

for (const [name, { headers, bearer, status }] of Object.entries(writes)) {
  test(name, async () => {
    const origin = headers.origin === 'own' ? { origin: `http://127.0.0.1:${t.port}` } : {};
    const sent = { ...headers, ...origin };
    const who = bearer ? { headers: sent } : withCookie(sent);
    const body = { ...thing('x'), metadata: { generateName: 'w-' } };
    assert.equal((await t.ask(THINGS, { method: 'POST', body, ...who })).status, status);
  });
}

test('wrong, foreign and expired tokens are told apart', async () => {
  const expired = await t.tokens.issue({
    subject: 'admin',
    groups: ['system:masters'],
    audience: 'weft-api',
    ttlMs: 1000,
  });
  t.clock.advance(2000);
  const other = await openThingApi();
  const messages: [token: string, message: RegExp][] = [
    ['abc', /this is not a token/],
    [other.adminToken, /not issued by this control plane/],
    [expired.token, /expired at 2026-/],
  ];
  for (const [token, message] of messages) {
    const answer = await t.ask(THINGS, { token });
    assert.equal(answer.status, 401);
    assert.match(answer.json.message, message);
  }
  await other.close();
});

test('a service account is known, but may not use resources or flows', async () => {
  await t.ask('/api/v1/namespaces/default/serviceaccounts', { method: 'POST', body: { metadata: { name: 'front' } } });
  const path = '/api/v1/namespaces/default/serviceaccounts/front/token';
  const made = await t.ask(path, { method: 'POST', body: { spec: { expirationSeconds: 600 } } });
  assert.equal(made.status, 201);
  const { token, expirationTimestamp } = made.json.status;
  assert.equal(Date.parse(expirationTimestamp), t.clock.now() + 600_000);
  const user = await t.tokens.verify(token, 'weft-ca');
  assert.deepEqual([user.name, user.audiences], ['system:serviceaccount:default:front', ['weft-ca']]);
  const refused = await t.ask(THINGS, { token });
  assert.equal(refused.status, 403);
  assert.match(refused.json.message, /User "system:serviceaccount:default:front" cannot list resource "things"/);
  assert.equal((await t.ask('/weft/v1/flows', { token })).status, 403);
  assert.equal((await t.ask(`/?token=${token}`, { token: '' })).status, 403);
  const review = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  assert.equal((await t.ask(review, { method: 'POST', body: {}, token })).json.status.allowed, false);
  assert.equal((await t.ask(review, { method: 'POST', body: {} })).json.status.allowed, true);
});

test('a token is made only for an account that exists and for a sensible time', async () => {
  const ask = (name: string, spec: object) =>
    t.ask(`/api/v1/namespaces/default/serviceaccounts/${name}/token`, { method: 'POST', body: { spec } });
  assert.equal((await ask('nobody', {})).status, 404);
  assert.equal((await ask('front', { expirationSeconds: 5 })).status, 422);
  assert.equal((await ask('front', { audiences: [7] })).status, 400);
});
