// Batches of events: what comes out is what went in, and what repeats goes over the wire once.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventPeer, TrafficEvent } from '../model/event.ts';
import { parseEvent } from './event-parse.ts';
import { senderPeer } from './sender-peer.ts';
import { decodeBatch, encodeBatch, MAX_BATCH } from './wire.ts';

const sender = senderPeer('spiffe://cluster.local/ns/shop/sa/edge', 'gateway~127.0.0.1~edge.shop~x');
const NO_FLAGS: readonly string[] = [];
const destination: EventPeer = { namespace: 'shop', service: 'reviews', address: '10.0.0.1:80' };
const caller = (port: number): EventPeer => ({ address: `10.0.0.9:${port}` });
const policy = { verdict: 'allow', names: ['a'], reason: 'why' } as const;

const eventOf = (change: Partial<TrafficEvent> = {}, http: Partial<TrafficEvent['http']> = {}): TrafficEvent => ({
  startMs: 1000.5,
  durationMs: 2.25,
  proxy: sender.proxy,
  direction: 'gateway',
  protocol: 'http',
  source: caller(1),
  destination,
  bytesReceived: 3,
  bytesSent: 4,
  flags: NO_FLAGS,
  attempts: 1,
  tls: 'none',
  route: 'r',
  cluster: 'c',
  policy,
  http: { method: 'GET', path: '/ü"\n', host: 'shop', status: 200, requestId: 'id', traceparent: '00-1-2-01', ...http },
  ...change,
});

const { http: _, ...connection } = eventOf({ protocol: 'tcp', bytesSent: 9 });

const passed = (events: readonly (TrafficEvent | string)[]) =>
  decodeBatch(encodeBatch({ events })).events.map((event) => parseEvent(event, sender));

describe('a batch of events', () => {
  it('brings each event as it was', () => {
    const source = caller(7);
    const events = [
      eventOf({ source }),
      eventOf({ source, startMs: 2000, bytesSent: 0 }, { path: '/other', requestId: 'id2' }),
      eventOf({ source, flags: ['UF'] }, { status: 503, grpcStatus: 14 }),
      eventOf({ source, attempts: 2, destination: { namespace: 'shop' } }),
      eventOf({ source: caller(8) }, { host: 'other', method: 'POST' }),
      connection,
    ];
    assert.deepEqual(passed(events), events);
  });

  it('takes events that are JSON already, alone and among others', () => {
    const [text, other] = [JSON.stringify(eventOf()), eventOf({ startMs: 7 })];
    assert.deepEqual(passed([text, text]), [eventOf(), eventOf()]);
    assert.deepEqual(passed([text, other]), [other, eventOf()]);
  });

  it('tells what its events have in common once', () => {
    const source = caller(1);
    const events = Array.from({ length: 100 }, (_, i) => eventOf({ source, startMs: i }));
    const bytes = encodeBatch({ node: 'n', dropped: 3, events });
    assert.equal(bytes.toString().split('reviews').length - 1, 1);
    const { node, dropped } = decodeBatch(bytes);
    assert.deepEqual([node, dropped], ['n', 3]);
  });

  it('stays whole where nothing repeats', () => {
    const events = Array.from({ length: MAX_BATCH }, (_, i) => eventOf({ flags: [`${i}`] }));
    assert.deepEqual(passed(events), events);
  });

  const BROKEN: Record<string, string> = {
    'a row of a shape that is not there': '{"shapes":[],"events":[[0,1,2]]}',
    'a row without anything': '{"shapes":[{}],"events":[[]]}',
    'a shape that is none': '{"shapes":[7],"events":[["__proto__",1]]}',
    'shapes that are none': '{"shapes":"x","events":[[0,"soon"]]}',
  };
  for (const [name, text] of Object.entries(BROKEN)) {
    it(`does not take ${name} for an event of this gateway`, () => {
      const { events } = decodeBatch(Buffer.from(text));
      assert.deepEqual(
        events.map((event) => parseEvent(event, sender)),
        [undefined],
      );
    });
  }

  it('holds no more events than a batch may', () => {
    const rows = Array.from({ length: MAX_BATCH + 1 }, () => [0, 1]);
    assert.equal(decodeBatch(Buffer.from(JSON.stringify({ shapes: [{}], events: rows }))).events.length, MAX_BATCH);
  });
});
