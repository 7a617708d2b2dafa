import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { TrafficEvent } from '../model/event.ts';
import { flowCells, outcomeOf, paintVerdict } from './flow-line.ts';
import { paintWith } from './state-colour.ts';

const event = (more: Partial<TrafficEvent> = {}): TrafficEvent => ({
  startMs: new Date(2026, 0, 2, 3, 4, 5, 67).getTime(),
  durationMs: 12.3,
  proxy: 'p',
  direction: 'inbound',
  protocol: 'http',
  source: { identity: 'spiffe://cluster.local/ns/shop/sa/front' },
  destination: { namespace: 'shop', workload: 'reviews-v1-x', service: 'reviews' },
  http: { method: 'GET', path: '/reviews/1', host: 'reviews', status: 200, requestId: 'r' },
  bytesReceived: 0,
  bytesSent: 2048,
  flags: [],
  attempts: 1,
  tls: 'mutual',
  ...more,
});

test('a line says when, who, whom, what, the answer and how long', () => {
  deepEqual(flowCells(event(), false), [
    '03:04:05.067',
    'shop/front',
    'shop/reviews-v1-x',
    'GET /reviews/1',
    '200',
    '12ms',
    'passed',
  ]);
  deepEqual(flowCells(event(), true).slice(6, 10), ['2 KiB', 'mutual', '-', 'spiffe://cluster.local/ns/shop/sa/front']);
});

test('peers are named as well as they are known', () => {
  const names = (source: TrafficEvent['source']) => flowCells(event({ source }), false)[1];
  equal(names({ workload: 'shop/front-1', namespace: 'shop' }), 'shop/front-1');
  equal(names({ service: 'front', namespace: 'shop' }), 'shop/front');
  equal(names({ address: '10.0.0.1:5' }), '10.0.0.1:5');
  equal(names({}), 'unknown');
});

test('TCP shows its bytes, and what got no answer shows none', () => {
  const { http: _http, ...tcp } = event({ protocol: 'tcp', bytesReceived: 10 });
  deepEqual(flowCells(tcp, false).slice(3, 5), ['tcp 10 B in, 2 KiB out', '-']);
  const none = event({ http: { method: 'GET', path: '/', host: 'x', status: 0, requestId: '' } });
  deepEqual([flowCells(none, false)[4], outcomeOf(none).text], ['-', 'failed: no answer']);
});

test('a gRPC call shows its own status', () => {
  const http = { method: 'POST', path: '/a.B/C', host: 'x', status: 200, requestId: '' };
  const failed = event({ http: { ...http, grpcStatus: 14 } });
  deepEqual([flowCells(failed, false)[4], outcomeOf(failed).state], ['UNAVAILABLE', 'between']);
  equal(flowCells(event({ http: { ...http, grpcStatus: 0 } }), false)[4], 'OK');
  equal(flowCells(event({ http: { ...http, grpcStatus: 99 } }), false)[4], 'grpc 99');
});

test('a long path is cut in the narrow form alone', () => {
  const http = { method: 'GET', path: `/${'x'.repeat(200)}`, host: 'h', status: 200, requestId: '' };
  equal(flowCells(event({ http }), false)[3]?.length, 60);
  equal(flowCells(event({ http }), true)[3]?.length, 206);
});

test('the outcome is said in words', () => {
  const cases: [Partial<TrafficEvent>, string][] = [
    [{ policy: { verdict: 'allow', names: ['shop/front'], reason: '' } }, 'allowed'],
    [
      { policy: { verdict: 'deny', names: ['weft-system/default-deny'], reason: 'no rule' }, flags: ['RBAC'] },
      'denied by AuthorizationPolicy weft-system/default-deny',
    ],
    [{ policy: { verdict: 'deny', names: ['a/b', 'c/d'], reason: '' } }, 'denied by AuthorizationPolicies a/b, c/d'],
    [{ policy: { verdict: 'deny', names: [], reason: 'no identity' } }, 'denied: no identity'],
    [{ flags: ['RBAC'] }, 'denied'],
    [{ flags: ['NR'] }, 'failed: no route (NR)'],
    [{ flags: ['UF', 'URX'] }, 'failed: connection to the endpoint failed (UF, URX)'],
    [{ flags: ['XYZ'] }, 'failed: see the flag (XYZ)'],
  ];
  for (const [more, want] of cases) equal(outcomeOf(event(more)).text, want);
});

test('only the verdict is coloured, and only when something is wrong', () => {
  const paint = paintWith(true);
  const denied = event({ flags: ['RBAC'] });
  equal(paintVerdict('x  denied', denied, paint), 'x  \u001b[31mdenied\u001b[0m');
  equal(paintVerdict('x  passed', event(), paint), 'x  passed');
});
