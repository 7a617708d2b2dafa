import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { openGrpcServer } from '../grpc/server.ts';
import { isWeftError } from '../lib/errors.ts';
import { portHolder } from '../lib/ports.ts';
import { findFreePort, holdFreePort, requireFreePort } from './ports.ts';

test('a held port is not free for others until it is released', async () => {
  const port = await holdFreePort('127.0.0.1');
  await assert.rejects(requireFreePort('127.0.0.1', port.port, 'gateway', '--gateway-port'), (error) =>
    isWeftError(error, 'PORT_TAKEN'),
  );
  await port.release();
  await requireFreePort('127.0.0.1', port.port, 'gateway', '--gateway-port');
});

test('the error for a taken port names the program and the flag', { skip: process.platform !== 'linux' }, async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address);
  assert.match(portHolder(address.port) ?? '', new RegExp(`\\(pid ${process.pid}\\)$`));
  await assert.rejects(requireFreePort('127.0.0.1', address.port, 'API', '--api-port'), {
    message: new RegExp(`port ${address.port} \\(API\\) is taken by .*pid ${process.pid}`),
    hint: /--api-port/,
  });
  server.close();
});

test('free ports lie below the range of outgoing connections', async () => {
  const port = await findFreePort('127.0.0.1');
  assert.ok(port >= 16_000 && port < 32_000);
});

test('processes that look for ports at the same time find different ones, and none twice', async () => {
  const program = `
    const { findFreePort } = await import(${JSON.stringify(new URL('ports.ts', import.meta.url))});
    for (let n = 0; n < 10; n++) console.log(await findFreePort('127.0.0.1'));`;
  const run = promisify(execFile);
  const all = await Promise.all(
    Array.from({ length: 6 }, () => run(process.execPath, ['--input-type=module', '--eval', program])),
  );
  const ports = all.flatMap(({ stdout }) => stdout.trim().split('\n'));
  assert.deepEqual([ports.length, new Set(ports).size], [60, 60]);
});

test('gRPC servers name the program that has their port too', { skip: process.platform !== 'linux' }, async () => {
  const port = await holdFreePort('127.0.0.1');
  await assert.rejects(openGrpcServer(`127.0.0.1:${port.port}`, []), {
    code: 'PORT_TAKEN',
    message: new RegExp(`port ${port.port} \\(xDS\\) is taken by .*pid ${process.pid}`),
  });
  await port.release();
});
