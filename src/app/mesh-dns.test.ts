import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { isWeftError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { type DnsSettings, openMeshDns } from './mesh-dns.ts';
import { findFreePort } from './ports.ts';

const open = async (t: TestContext, settings: DnsSettings, name = 'web') => {
  const opened = await openMeshDns({ dnsUpstream: [], ...settings }, { name, namespace: 'default' }, silentLog);
  if (opened) t.after(() => opened.dns.close());
  return opened;
};

test('a port that the user chose must be free; off is off', async (t) => {
  const dnsPort = await findFreePort('127.0.0.1');
  const opened = await open(t, { dnsPort });
  assert.deepEqual([opened?.dns.address, opened?.dns.port], ['127.0.0.1', dnsPort]);
  await assert.rejects(
    open(t, { dnsPort }),
    (error) => isWeftError(error, 'PORT_TAKEN') && /--dns-port/.test(error.hint ?? ''),
  );
  assert.equal(await open(t, { dnsPort: 'off' }), undefined);
});

test('without a choice another port is taken where the usual one is not free', async (t) => {
  const usual = createServer();
  await new Promise<void>((resolve) => {
    usual.once('error', () => resolve());
    usual.listen(15_053, '127.0.0.1', resolve);
  });
  t.after(() => usual.close());
  const opened = await open(t, {});
  assert.notEqual(opened?.dns.port, 15_053);
});

test('sidecars that capture have blocks of their own, and find them again', async (t) => {
  const dnsPort = await findFreePort('127.0.0.1');
  const settings = { dnsPort, dnsCapture: true };
  const first = await open(t, settings);
  const second = await open(t, settings);
  assert.notEqual(first!.captureBlock, second!.captureBlock);
  assert.equal(first!.dns.address, `127.${first!.captureBlock}.0.1`);
  await first!.dns.close();
  const again = await openMeshDns({ dnsUpstream: [], ...settings }, { name: 'web', namespace: 'default' }, silentLog);
  t.after(() => again!.dns.close());
  assert.equal(again!.captureBlock, first!.captureBlock);
});
