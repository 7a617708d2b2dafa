import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { isRunning } from './data-dir.ts';
import { startChild } from './process.ts';

const script = (text: string): string[] => [process.execPath, '--input-type=module', '-e', text];
const READY = "process.send({ type: 'ready', info: { pid: process.pid } });";
const WAIT = 'setInterval(() => {}, 1000);';
const common = { name: 'child', output: 'inherit', clock: systemClock, log: silentLog } as const;

const untilGone = async (pid: number): Promise<void> => {
  while (isRunning(pid)) await new Promise((resolve) => setImmediate(resolve));
};

test('a child that crashes is started again', async () => {
  const second = Promise.withResolvers<void>();
  let starts = 0;
  const child = startChild({
    ...common,
    command: script(READY + WAIT),
    restart: true,
    onReady: () => ++starts === 2 && second.resolve(),
  });
  const { pid } = await child.ready;
  process.kill(Number(pid), 'SIGKILL');
  await second.promise;
  assert.notEqual(child.pid(), pid);
  await child.stop();
  assert.equal(child.pid(), undefined);
});

test('a user’s mistake in a child reaches the parent as the child said it, and is not tried again', async () => {
  const failed = "{ type: 'failed', code: 'PORT_TAKEN', message: 'port 1 is taken', hint: 'choose another' }";
  const child = startChild({
    ...common,
    command: script(`process.send(${failed}, undefined, {}, () => process.exit(1));`),
    restart: true,
  });
  await assert.rejects(child.ready, { code: 'PORT_TAKEN', message: 'port 1 is taken', hint: 'choose another' });
  await child.stop();
});

test('a child that is killed before it serves is started again; one that never serves is given up', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-process-'));
  const mark = JSON.stringify(join(dir, 'mark'));
  const once = `import { existsSync, writeFileSync } from 'node:fs'; if (!existsSync(${mark})) { writeFileSync(${mark}, ''); process.kill(process.pid, 'SIGKILL'); }`;
  const late = startChild({ ...common, command: script(once + READY + WAIT), restart: true });
  const { pid } = await late.ready;
  assert.equal(late.pid(), pid);
  await late.stop();
  const never = startChild({ ...common, command: script('process.exit(3)'), restart: true });
  await assert.rejects(never.ready, { code: 'PROCESS_ENDED', message: 'child ended before it served (exit code 3)' });
  await never.stop();
  rmSync(dir, { recursive: true });
});

test('a child that ignores SIGTERM is killed after the grace', async () => {
  const stubborn = `process.on('SIGTERM', () => {});${READY}${WAIT}`;
  const child = startChild({ ...common, command: script(stubborn), restart: true });
  const { pid } = await child.ready;
  await child.stop(50);
  await untilGone(Number(pid));
});

test('children end when their parent is killed', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-process-'));
  const url = (file: string) => JSON.stringify(join(import.meta.dirname, file));
  const grandchild = `import { announceReady, onEnd } from ${url('process.ts')}; onEnd(() => process.exit()); announceReady({ pid: process.pid }); ${WAIT}`;
  const parent = startChild({
    ...common,
    command: script(`import { startChild } from ${url('process.ts')};
      import { systemClock } from ${url('../lib/clock.ts')};
      import { silentLog } from ${url('../lib/log.ts')};
      const child = startChild({ name: 'grandchild', output: { file: ${JSON.stringify(join(dir, 'log'))} }, restart: false,
        clock: systemClock, log: silentLog, command: [process.execPath, '--input-type=module', '-e', ${JSON.stringify(grandchild)}] });
      process.send({ type: 'ready', info: { ...(await child.ready), own: process.pid } });`),
    restart: false,
  });
  const { pid, own } = await parent.ready.catch((error) => {
    throw new Error(`${error.message}: ${readFileSync(join(dir, 'log'), 'utf8')}`);
  });
  process.kill(Number(own), 'SIGKILL');
  await untilGone(Number(pid));
  rmSync(dir, { recursive: true });
});
