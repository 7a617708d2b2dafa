// A mixed load of two minutes over two proxies while everything changes: nothing may fail that could have been served, memory
// stays flat, and no socket and no timer is left. SOAK_SECONDS=3600 makes it longer.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Loop, openLoops } from './clients.ts';
import { openPrograms } from './programs.ts';
import type { Doors, Order, Report } from './proxies.ts';

const SECONDS = Number(process.env.SOAK_SECONDS ?? 120);
const SAMPLE_MS = 3_000;
/** Between two turns of a loop: the load is mixed, not maximal. */
const PAUSE_MS = 5;
const MAX_GROWTH_BYTES = 6 * 1024 * 1024;
const SETTLE_MS = 15_000;
/** Longer than anything that a client waits for. */
const HANG_MS = 60_000;

/** Flags that the clients and programs of the soak ask for: they reset, hang, and send nonsense. */
const EXPECTED = [
  /^\w+ DC /,
  /^\w+ (UC|UR|UF|DPE) 503 \/(reset|half)$/,
  /^\w+ (UC|UR) 200 \/half$/,
  /^\w+ (DPE|UC,DPE) \d+ /,
  /^\w+ (UT|UT,DC|DC) \d+ \/soak\.Echo\/Hang$/,
  /^\w+ DC,\w+ /,
  // A client has reset before the gateway's connection for it was made.
  /^inbound DPE the client closed the connection during the handshake$/,
];

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const startProxies = () => {
  const child = fork(join(import.meta.dirname, 'proxies.ts'), { execArgv: ['--expose-gc', '--max-semi-space-size=8'] });
  const died = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the proxies have ended: ${signal ?? code}`);
  });
  died.catch(() => {});
  const ask = async <T>(order: Order): Promise<T> => {
    child.send(order);
    const [answer] = await Promise.race([once(child, 'message'), died]);
    return answer;
  };
  return { child, ask };
};

test(`mixed traffic for ${SECONDS} s: no unexpected error, flat memory, nothing left behind`, async (t) => {
  const programs = await openPrograms();
  const { child, ask } = startProxies();
  t.after(() => {
    child.kill('SIGKILL');
    programs.close();
  });
  const doors = await ask<Doors>({ start: programs.ports });
  const failures: string[] = [];
  const done: Record<string, number> = {};
  let isOver = false;
  const run = async (loop: Loop): Promise<void> => {
    while (!isOver && failures.length < 20) {
      await loop.once().catch((error: Error) => failures.push(`${loop.name}: ${error.message}`));
      done[loop.name] = (done[loop.name] ?? 0) + 1;
      await sleep(PAUSE_MS);
    }
    loop.close();
    open.delete(loop.name);
  };
  const loops = openLoops(doors);
  const open = new Set(loops.map(({ name }) => name));
  const running = loops.map(run);
  const samples: Report[] = [];
  const end = performance.now() + SECONDS * 1000;
  while (performance.now() < end && failures.length < 20) {
    await sleep(SAMPLE_MS);
    samples.push(await ask<Report>('report'));
  }
  isOver = true;
  await Promise.race([Promise.all(running), sleep(HANG_MS, undefined, { ref: false })]);
  assert.deepEqual([...open], [], 'a client waits for an answer that does not come');
  assert.deepEqual(failures, []);

  // Idle connections to programs and peers go by themselves.
  let last = await ask<Report>('settle');
  const limit = performance.now() + SETTLE_MS;
  while (last.sockets > 0 && performance.now() < limit) {
    await sleep(200);
    last = await ask<Report>('report');
  }
  t.diagnostic(`turns: ${JSON.stringify(done)}`);
  t.diagnostic(`${last.edits} edits, ${last.renewals} renewals, ${last.requests} requests at the proxies`);
  t.diagnostic(`heap MiB: ${samples.map(({ heapBytes }) => Math.round(heapBytes / 2 ** 20)).join(' ')}`);
  t.diagnostic(`RSS MiB: ${samples.map(({ rssBytes }) => Math.round(rssBytes / 2 ** 20)).join(' ')}`);
  assert.deepEqual(last.problems, []);
  const unexpected = Object.entries(last.flagged).filter(([key]) => !EXPECTED.some((pattern) => pattern.test(key)));
  assert.deepEqual(unexpected, []);
  assert.equal(last.sockets, 0, 'a socket is left');
  assert.ok(last.timers <= 4, `${last.timers} timers are left`);
  const third = Math.floor(samples.length / 3);
  const heap = samples.map(({ heapBytes }) => heapBytes);
  const growth = middle(heap.slice(-third)) - middle(heap.slice(third, 2 * third));
  assert.ok(growth < MAX_GROWTH_BYTES, `the heap grew by ${Math.round(growth / 1024)} KiB in the last third`);

  child.send('close');
  const [code] = await Promise.race([once(child, 'exit'), sleep(HANG_MS, ['nothing: it still runs'], { ref: false })]);
  assert.equal(code, 0, 'how the process of the proxies ended');
});
