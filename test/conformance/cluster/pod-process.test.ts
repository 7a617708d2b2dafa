import { equal } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Resource } from '../../../src/model/resource.ts';
import { openNetwork } from './network.ts';
import { type PodProcess, startPod } from './pod-process.ts';

const INSIDE = 'WEFT_TEST_INSIDE';

const resource = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'short', namespace: 'default' },
  spec: { containers: [{ name: 'one' }] },
} as Resource;

const start = (number: number, folder: string): PodProcess =>
  startPod({
    pod: resource,
    number,
    folder,
    program: 'env',
    secretOf: () => undefined,
    configMapOf: () => undefined,
  })!;

/** A moment later each: before its shell has begun, before it has a cable, while it gets one, behind. */
const stopEach = async (folder: string) => {
  openNetwork();
  for (let number = 0; number < 40; number++) {
    const one = start(number, folder);
    await new Promise((resolve) => setTimeout(resolve, number / 4));
    one.stop();
  }
  const last = start(40, folder);
  await last.started;
  process.stdout.write(last.log(0));
};

if (process.env[INSIDE]) {
  await stopEach(process.env[INSIDE]);
  process.exit(0);
}

test('a Pod may be stopped at any moment of its start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-pod-'));
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const namespaces = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc', '--mount'];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    [...user, ...namespaces, process.execPath, import.meta.filename],
    { env: { ...env, [INSIDE]: folder }, encoding: 'utf8' },
  );
  rmSync(folder, { recursive: true, force: true });
  equal(status, 0, stderr);
  equal(/^PATH=/m.test(stdout), true, `the last Pod ran: ${stdout}`);
});
