import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { findLostProgram, proxyOf } from './lost-program.ts';

const outbound = { address: '127.0.0.1', port: 1 };

test('a program is found by the proxy that it was told to use, and by no other', async () => {
  const env = { ...process.env, HTTP_PROXY: proxyOf(outbound) };
  const program = spawn(process.execPath, ['-e', 'process.send("up"); setInterval(() => {}, 1000)'], {
    env,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await once(program, 'message');
  assert.equal(findLostProgram(outbound), program.pid);
  assert.equal(findLostProgram({ ...outbound, port: 2 }), undefined);
  assert.equal(findLostProgram(outbound, '/nowhere'), undefined);
  program.kill();
  await once(program, 'exit');
  assert.equal(findLostProgram(outbound), undefined);
});
