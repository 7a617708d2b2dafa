import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../../test/e2e/until.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { systemClock } from '../lib/clock.ts';
import { openLog } from '../lib/log.ts';
import type { TrafficEvent } from '../model/event.ts';
import { openAccessLog } from './access-log.ts';

const eventOf = (route: string): TrafficEvent => ({
  startMs: 1,
  durationMs: 2,
  proxy: 'gateway~127.0.0.1~edge.default~default.svc.cluster.local',
  direction: 'gateway',
  protocol: 'http',
  source: {},
  destination: {},
  bytesReceived: 0,
  bytesSent: 0,
  flags: [],
  route,
  attempts: 1,
  tls: 'none',
});

/** Linux's stand-in for a full disk. */
const FULL = '/dev/full';

const setUp = (t: TestContext) => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-access-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  let said = '';
  const write = (line: string) => {
    said += line;
  };
  const log = openLog('test', { level: 'info', json: false, write, now: () => 0 });
  const routesIn = (file: string) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as TrafficEvent).route);
  return { path: join(dir, 'access.log'), log, said: () => said, routesIn };
};

test('writes one line of JSON per event, for its owner and group alone, behind what was there', async (t) => {
  const { path, log, routesIn } = setUp(t);
  for (const routes of [['a', 'b'], ['c']]) {
    const accessLog = await openAccessLog({ path, clock: systemClock, log });
    for (const route of routes) accessLog.add(eventOf(route));
    await accessLog.close(10_000);
  }
  assert.deepEqual(routesIn(path), ['a', 'b', 'c']);
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8').split('\n')[0]!), eventOf('a'));
  assert.equal(statSync(path).mode & 0o037, 0);
});

test('lines wait for a moment and are then written together, without anybody closing it', async (t) => {
  const { path, log, routesIn } = setUp(t);
  const clock = new FakeClock();
  const accessLog = await openAccessLog({ path, clock, log });
  t.after(() => accessLog.close(0));
  accessLog.add(eventOf('a'));
  accessLog.add(eventOf('b'));
  assert.equal(readFileSync(path, 'utf8'), '');
  clock.advance(100);
  await until('both lines', () => routesIn(path).join() === 'a,b');
  accessLog.add(eventOf('c'));
  await until('the next flush to be set', () => clock.timers > 0);
  clock.advance(100);
  await until('the third line', () => routesIn(path).join() === 'a,b,c');
});

test('goes on in a new file after the old one was renamed; no line is lost', async (t) => {
  const { path, log, routesIn } = setUp(t);
  const accessLog = await openAccessLog({ path, clock: systemClock, log });
  accessLog.add(eventOf('a'));
  renameSync(path, `${path}.1`);
  accessLog.reopen();
  await until('the new file', () => statSync(path, { throwIfNoEntry: false }) !== undefined);
  accessLog.add(eventOf('b'));
  await accessLog.close(10_000);
  assert.deepEqual([routesIn(`${path}.1`), routesIn(path)], [['a'], ['b']]);
});

test('what waits is bounded: further lines are left out and counted', async (t) => {
  const { path, log, said, routesIn } = setUp(t);
  const clock = new FakeClock();
  const accessLog = await openAccessLog({ path, clock, log });
  const route = 'x'.repeat(1024 * 1024);
  for (let i = 0; i < 10; i++) accessLog.add(eventOf(route));
  await accessLog.close(10_000);
  assert.equal(routesIn(path).length, 7);
  assert.match(said(), /lines of the access log were left out lines=3\n/);
});

const testWhereFull = existsSync(FULL) ? test : () => {};
testWhereFull('a full disk costs lines, and stops nothing', async (t) => {
  const { log, said } = setUp(t);
  const accessLog = await openAccessLog({ path: FULL, clock: systemClock, log });
  accessLog.add(eventOf('a'));
  await accessLog.close(10_000);
  assert.match(said(), /error test: the access log can not be written path=/);
  assert.match(said(), /left out lines=1\n/);
});

test('a file that can not be opened is refused', async (t) => {
  const { path, log } = setUp(t);
  await assert.rejects(openAccessLog({ path: join(path, 'none/x'), clock: systemClock, log }), {
    code: 'FILE_UNWRITABLE',
  });
});
