import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExchangeTimes, type Ticks } from './proxy.ts';

class HandTicks implements Ticks {
  recent = 1000;
  now(): number {
    return this.recent;
  }
}

const STALL_MS = 5000;

test('a request without limits ends when nothing moves for too long', () => {
  const ticks = new HandTicks();
  const times = new ExchangeTimes(ticks, undefined, STALL_MS);
  assert.equal(times.dueAt(false, false), 6000);
  ticks.recent = 3000;
  assert.equal(times.dueAt(false, false), 8000);
  assert.equal(times.dueAt(false, true), Number.POSITIVE_INFINITY, 'but streams of calls may be silent');
});

test('the time of a route counts from when it is told, and 0 is none', () => {
  const ticks = new HandTicks();
  const times = new ExchangeTimes(ticks, undefined, STALL_MS);
  times.limitRequest(undefined);
  times.limitRequest(0);
  times.limitAttempt(0);
  assert.equal(times.dueAt(false, false), 6000);
  ticks.recent = 1500;
  times.limitRequest(200);
  assert.equal(times.dueAt(false, false), 1700);
});

test('a call may shorten the time, which counts from its start', () => {
  const ticks = new HandTicks();
  const times = new ExchangeTimes(ticks, undefined, STALL_MS);
  times.limitCall(300);
  ticks.recent = 1200;
  times.limitRequest(200);
  assert.equal(times.dueAt(false, false), 1300);
});

test('the time of an attempt ends with it', () => {
  const times = new ExchangeTimes(new HandTicks(), undefined, STALL_MS);
  times.limitAttempt(100);
  assert.equal(times.dueAt(false, false), 1100);
  times.endAttempt();
  assert.equal(times.dueAt(false, false), 6000);
});

test('a listener says how long a request may come, and how long nothing may move', () => {
  const times = new ExchangeTimes(new HandTicks(), { requestTimeoutMs: 50, streamIdleTimeoutMs: 70 }, STALL_MS);
  assert.equal(times.dueAt(true, false), 1050);
  assert.equal(times.dueAt(false, true), 1070);
});
