// Counts of the rate limit server in a real Redis: shared, kept over restarts, and missed without harm.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { holdFreePort } from '../../src/app/ports.ts';
import { pause, systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { type Counts, openLimits } from '../../src/limits/decide.ts';
import { openRedisCounts } from '../../src/limits/redis.ts';

const PASSWORD = 'not-a-secret';

const startRedis = async (dir: string, port: number): Promise<ChildProcess> => {
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--requirepass', PASSWORD, '--dir', dir];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const text of child.stdout!) if (String(text).includes('Ready to accept connections')) break;
  child.stdout!.resume();
  return child;
};

/** Again and again, until it does not reject. */
const eventually = async <T>(ask: () => Promise<T>): Promise<T> => {
  const end = systemClock.monotonic() + 10_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (systemClock.monotonic() > end) throw error;
      await pause(systemClock, 10);
    }
  }
};

const stop = async (child: ChildProcess): Promise<void> => {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
};

describe('rate limits in a Redis', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-redis-'));
  let redis: ChildProcess | undefined;
  let port = 0;
  const opened: Counts[] = [];
  const open = async () => {
    const counts = await openRedisCounts({ url: `redis://:${PASSWORD}@127.0.0.1:${port}/1`, log: silentLog });
    opened.push(counts);
    const ask = openLimits(counts, systemClock);
    return async (...entries: string[]) => (await ask([['limit', '3/year', ...entries]], 0))[0];
  };

  before(async () => {
    const held = await holdFreePort('127.0.0.1');
    port = held.port;
    await held.release();
    redis = await startRedis(dir, port);
  });
  after(async () => {
    for (const counts of opened) await counts.close();
    if (redis) await stop(redis);
    rmSync(dir, { recursive: true, force: true });
  });

  it('are shared by servers, and each entry counts for itself', async () => {
    const [one, two] = [await open(), await open()];
    await eventually(() => one('user', 'first'));
    await eventually(() => two('user', 'second'));
    assert.equal((await two('user', 'first'))?.remaining, 1);
    assert.equal((await one('user', 'first'))?.remaining, 0);
    const last = await two('user', 'first');
    assert.deepEqual([last?.isOver, last?.remaining], [true, 0]);
    assert.equal((await one('user', 'second'))?.remaining, 1);
  });

  it('can not be asked while it is away, and come back with it', async () => {
    const ask = await open();
    await eventually(() => ask('user', 'third'));
    await stop(redis!);
    await eventually(() => assert.rejects(ask('user', 'third')));
    redis = await startRedis(dir, port);
    assert.equal((await eventually(() => ask('user', 'third')))?.isOver, false);
  });
});
