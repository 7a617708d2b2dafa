// A Gateway's own service account, through the whole stack: made with it, good for its gateway alone, gone with it.
import { test } from 'node:test';
import { findFreePort } from '../../src/app/ports.ts';
import { findKindByName } from '../../src/kinds/registry.ts';
import { isWeftError } from '../../src/lib/errors.ts';
import type { Resource } from '../../src/model/resource.ts';
import { startControl } from './control.ts';
import { ask } from './gateway.ts';
import { until } from './until.ts';

const GATEWAYS = findKindByName('gateways')!;
const ACCOUNTS = findKindByName('serviceaccounts')!;

test("a Gateway's own account serves it, no other, and goes with it", async (t) => {
  const control = await startControl();
  t.after(() => control.close());
  const client = control.client();
  const port = await findFreePort('127.0.0.1');
  await client.create(GATEWAYS, {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'edge', namespace: 'default' },
    spec: {
      gatewayClassName: 'weft',
      infrastructure: { labels: { tier: 'front' } },
      listeners: [{ name: 'http', port, protocol: 'HTTP' }],
    },
  } as Resource);
  const account = () =>
    client.get(ACCOUNTS, 'edge-weft', { namespace: 'default' }).catch((error) => {
      if (!isWeftError(error, 'API_NOT_FOUND')) throw error;
      return undefined;
    });
  await until('the account', async () => (await account())?.metadata.labels?.tier === 'front');

  const proxy = (...flags: string[]) =>
    control.start('proxy', '--role=gateway', '--namespace=default', '--service-account=edge-weft', ...flags);
  const stranger = proxy('--name=stranger', '--ready-port=0', '--admin-port=0');
  await until('a gateway for all to be refused', () => /may not be a gateway/.test(stranger.stderr()));
  stranger.child.kill('SIGTERM');
  await stranger.finished;

  proxy('--name=edge', '--gateway=default/edge', '--ready-port=0', '--admin-port=0');
  await until('the listener', () =>
    ask(port).then(
      () => true,
      () => false,
    ),
  );

  await client.delete(GATEWAYS, 'edge', { namespace: 'default' });
  await until('the account to go', async () => (await account()) === undefined);
});
