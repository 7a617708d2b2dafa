// The console and `weft flows` say the same of the same event.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { flowCells, type Outcome, outcomeOf } from '../../src/cli/flow-line.ts';
import type { EventPeer, TrafficEvent } from '../../src/model/event.ts';

const page = (await import(join(import.meta.dirname, '../../src/api/page/flow-text.js'))) as {
  outcomeOf(event: TrafficEvent): Outcome;
  peerName(peer: EventPeer): string;
  requestText(event: TrafficEvent): string;
  statusText(event: TrafficEvent): string;
};

const base: TrafficEvent = {
  startMs: 0,
  durationMs: 1,
  proxy: 'p',
  direction: 'inbound',
  protocol: 'http',
  source: { identity: 'spiffe://cluster.local/ns/default/sa/front' },
  destination: { namespace: 'default', service: 'reviews' },
  http: { method: 'GET', path: '/reviews/loom', host: 'reviews', status: 200, requestId: 'r' },
  bytesReceived: 0,
  bytesSent: 0,
  flags: [],
  attempts: 1,
  tls: 'mutual',
};
const status = (code: number) => ({ http: { ...base.http!, status: code } });
const policy = (verdict: 'allow' | 'deny', ...names: string[]) => ({ policy: { verdict, names, reason: 'no rule' } });
const withoutHttp = (event: Partial<TrafficEvent>): TrafficEvent => {
  const { http: _, ...rest } = base;
  return { ...rest, ...event };
};

const events: Record<string, TrafficEvent> = {
  'a request that passed': base,
  'a client that was refused': withoutHttp({
    protocol: 'tcp',
    flags: ['DPE'],
    tlsRefusal: { reason: 'the client has no certificate', ja4: 't13d' },
  }),
  'a request that a policy allowed': { ...base, ...policy('allow', 'default/reviews') },
  'a request that one policy denied': { ...base, ...status(403), ...policy('deny', 'default/reviews') },
  'a request that no policy of two allowed': {
    ...base,
    ...status(403),
    ...policy('deny', 'weft-system/default-deny', 'default/reviews'),
  },
  'a denial without names': { ...base, ...status(403), ...policy('deny') },
  'a denial that only the flag tells': { ...base, ...status(403), flags: ['RBAC'] },
  'an answer that failed in the service': { ...base, ...status(500) },
  'no answer at all': { ...base, ...status(0) },
  'a caller known by its address alone': { ...base, source: { address: '10.0.0.1:443' } },
  'a caller of which nothing is known': { ...base, source: {} },
  'a workload whose name has its namespace': { ...base, source: { workload: 'shop/front-1', namespace: 'default' } },
  'a connection': withoutHttp({ protocol: 'tcp', bytesReceived: 10, bytesSent: 5 * 1024 * 1024 }),
  'a small connection': withoutHttp({ protocol: 'tcp', bytesReceived: 0, bytesSent: 1536 }),
};
for (let grpcStatus = 0; grpcStatus <= 17; grpcStatus++) {
  events[`a gRPC call that ended with ${grpcStatus}`] = { ...base, http: { ...base.http!, grpcStatus } };
}
for (const flag of 'UH UF UO NR NC UC UT UR LR LH DC DT DPE UPE URX SI RL ODD'.split(' ')) {
  events[`a failure with the flag ${flag}`] = { ...base, ...status(503), flags: [flag, 'X'] };
}

for (const [name, event] of Object.entries(events)) {
  test(name, () => {
    assert.deepEqual(page.outcomeOf(event), outcomeOf(event));
    const [, source, destination, request, statusCell] = flowCells(event, false);
    assert.equal(page.peerName(event.source), source);
    assert.equal(page.peerName(event.destination), destination);
    assert.equal(page.requestText(event), request);
    assert.equal(page.statusText(event), statusCell);
  });
}
