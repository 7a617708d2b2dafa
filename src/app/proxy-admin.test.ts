import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoint, startProxy, toBackend } from '../../test/fakes/proxy-under-test.ts';
import { isWeftError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { openProxyAdmin } from './proxy-admin.ts';

test('many proxies on one machine each get a port, but a chosen one is not replaced', async (t) => {
  const { proxy, close } = await startProxy(toBackend([endpoint(1)]));
  const first = await openProxyAdmin(proxy, {}, silentLog);
  const second = await openProxyAdmin(proxy, {}, silentLog);
  t.after(async () => {
    await first.close();
    await second.close();
    await close();
  });
  assert.notEqual(first.port, second.port);
  assert.equal(second.address, '127.0.0.1');
  await assert.rejects(openProxyAdmin(proxy, { adminPort: second.port }, silentLog), (error) =>
    isWeftError(error, 'PORT_TAKEN'),
  );
});
