import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestHead } from '../../model/http.ts';
import type { Endpoint } from '../../model/snapshot.ts';
import { prepareSession } from './proxy.ts';
import type { SessionPersistence } from './schema.ts';

const endpoint: Endpoint = { address: '10.0.0.1', port: 80, mesh: false, weight: 1, health: 'healthy' };
const request = (headers: string[] = [], path = '/shop/a'): RequestHead => ({
  method: 'GET',
  path,
  query: '',
  host: 'a.test',
  headers,
});

const NOW = 1_000_000;

/** What the answer to a request adds. */
const answered = (session: SessionPersistence, head: RequestHead, nowMs = NOW): string[] => {
  const headers: string[] = [];
  prepareSession(session)(head, '', nowMs).mark?.(headers, endpoint, nowMs);
  return headers;
};

const COOKIE = { type: 'cookie', name: 'stay', path: '/shop' } as const;
const HOUR = { ...COOKIE, ttlMs: 3_600_000 } as const;

const cookieFrom = ([, text = '']: readonly string[]): string => text.split(';')[0]!.replaceAll('"', '');

const SHORT = { ...HOUR, untilClosed: true } as const;

for (const [title, session] of Object.entries({ permanent: HOUR, short: SHORT, endless: COOKIE })) {
  test(`a ${title} cookie names its endpoint, and need not be told again`, () => {
    const head = request(['cookie', `a=b; ${cookieFrom(answered(session, request()))}`]);
    assert.equal(prepareSession(session)(head, '', NOW).place, '10.0.0.1:80');
    assert.deepEqual(answered(session, head), []);
  });
}

for (const [title, session] of Object.entries({ permanent: HOUR, short: SHORT })) {
  test(`a ${title} cookie that is over counts no more`, () => {
    const head = request(['cookie', cookieFrom(answered(session, request()))]);
    assert.equal(prepareSession(session)(head, '', NOW + HOUR.ttlMs - 1000).place, '10.0.0.1:80');
    assert.equal(prepareSession(session)(head, '', NOW + HOUR.ttlMs).place, undefined);
  });
}

test('only a permanent cookie is kept by a client that closes', () => {
  assert.match(answered(HOUR, request())[1]!, /; Max-Age=3600;/);
  assert.doesNotMatch(answered(SHORT, request())[1]!, /Max-Age/);
});

test('a cookie without an end does not do where one has to have it', () => {
  const head = request(['cookie', cookieFrom(answered(COOKIE, request()))]);
  assert.equal(prepareSession(HOUR)(head, '', NOW).place, undefined);
});

const paths: Readonly<Record<string, boolean>> = { '/shop': true, '/shop/': true, '/shops': false, '/': false };
for (const [path, want] of Object.entries(paths)) {
  test(`the path ${path} ${want ? 'has' : 'does not have'} the cookie`, () =>
    assert.equal(answered(COOKIE, request([], path)).length > 0, want));
}

test('a header names its endpoint', () => {
  const session = { type: 'header', name: 'x-stay' } as const;
  const told = answered(session, request());
  assert.equal(prepareSession(session)(request(told), '', NOW).place, '10.0.0.1:80');
  assert.deepEqual(answered(session, request(told)), []);
});
