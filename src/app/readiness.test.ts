import assert from 'node:assert/strict';
import { get } from 'node:http';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { openReadiness } from './readiness.ts';

const open = async (t: TestContext, isReady: () => boolean | Promise<boolean>, port?: number) => {
  const readiness = await openReadiness({ address: '127.0.0.1', port, isReady, clock: systemClock, log: silentLog });
  t.after(() => readiness.close());
  return readiness;
};

const statusOf = (port: number, path: string, method = 'GET'): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, method, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });

test('says whether traffic is wanted, and knows whether anybody asks', async (t) => {
  let state: () => boolean | Promise<boolean> = () => true;
  const readiness = await open(t, () => state(), 0);
  const { port } = readiness;
  assert.equal(await statusOf(port, '/'), 404);
  assert.equal(await statusOf(port, '/healthz/ready', 'POST'), 405);
  assert.equal(readiness.isWatched(), false);
  assert.equal(await statusOf(port, '/healthz/ready?by=lb'), 200);
  assert.equal(readiness.isWatched(), true);
  state = async () => false;
  assert.equal(await statusOf(port, '/healthz/ready'), 503);
  state = () => Promise.reject(new Error('the engine is gone'));
  assert.equal(await statusOf(port, '/healthz/ready', 'HEAD'), 503);
});

test('two gateways on one machine each get a port, but a chosen one is not replaced', async (t) => {
  const [first, second] = [await open(t, () => true), await open(t, () => true)];
  assert.notEqual(first.port, second.port);
  await assert.rejects(
    open(t, () => true, second.port),
    { code: 'PORT_TAKEN' },
  );
});
