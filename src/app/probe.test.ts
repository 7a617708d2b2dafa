import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { openProbe } from './probe.ts';

test('tells when the program comes up, goes away and comes back', async (t) => {
  const reserve = createServer().listen(0, '127.0.0.1');
  await once(reserve, 'listening');
  const { port } = reserve.address() as AddressInfo;
  reserve.close();
  await once(reserve, 'close');
  // The probe's timers don't keep a process alive.
  const alive = setInterval(() => {}, 1000);
  const changes: [boolean, string][] = [];
  let told = Promise.withResolvers<void>();
  const probe = openProbe({
    address: '127.0.0.1',
    port,
    clock: systemClock,
    intervalMs: 20,
    onChange: (healthy, message) => {
      changes.push([healthy, message]);
      told.resolve();
    },
  });
  t.after(() => {
    probe.close();
    clearInterval(alive);
  });
  const change = async (act: () => void) => {
    told = Promise.withResolvers();
    act();
    await told.promise;
  };
  let server = createServer((socket) => socket.on('error', () => {}));
  await change(() => server.listen(port, '127.0.0.1'));
  await change(() => server.close());
  server = createServer((socket) => socket.on('error', () => {}));
  t.after(() => server.close());
  await change(() => {
    server.listen(port, '127.0.0.1');
    probe.check();
  });
  assert.deepEqual(changes, [
    [true, ''],
    [false, `nothing listens on 127.0.0.1:${port}`],
    [true, ''],
  ]);
});

test('a suspicion is looked into at once, not at the next interval', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const alive = setInterval(() => {}, 1000);
  let told = Promise.withResolvers<boolean>();
  const probe = openProbe({
    address: '127.0.0.1',
    port,
    clock: systemClock,
    intervalMs: 3_600_000,
    onChange: (healthy) => told.resolve(healthy),
  });
  t.after(() => {
    probe.close();
    clearInterval(alive);
  });
  assert.equal(await told.promise, true);
  server.close();
  await once(server, 'close');
  told = Promise.withResolvers();
  probe.suspect();
  assert.equal(await told.promise, false);
});

test('says nothing after close', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const probe = openProbe({
    address: '127.0.0.1',
    port,
    clock: systemClock,
    onChange: () => assert.fail('told after close'),
  });
  probe.close();
  probe.check();
  probe.suspect();
  server.close();
  await once(server, 'close');
});
