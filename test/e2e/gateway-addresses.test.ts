// Gateways with addresses of their own, from a block of the control plane's, on both engines: the same port twice, for
// the cluster alone, kept over kill -9 of the control plane, freed with the Gateway. All of 127.0.0.0/8 is this machine.
import assert from 'node:assert/strict';
import { type IncomingMessage, request } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { findFreePort } from '../../src/app/ports.ts';
import type { Client } from '../../src/client/client.ts';
import { findKindByName } from '../../src/kinds/registry.ts';
import { startControl } from './control.ts';
import { until } from './until.ts';

const GATEWAYS = findKindByName('gateways')!;
const HTTP_ROUTES = findKindByName('httproutes')!;
const POLICIES = findKindByName('authorizationpolicies')!;
const IN_DEFAULT = { namespace: 'default' };
const GROUP = 'gateway.networking.k8s.io/v1';

/** A Gateway whose route sends everyone to a host of its name. */
const add = async (client: Client, name: string, port: number, addresses?: readonly object[]): Promise<void> => {
  const metadata = { name, ...IN_DEFAULT };
  const listeners = [{ name: 'http', port, protocol: 'HTTP' }];
  await client.create(GATEWAYS, {
    apiVersion: GROUP,
    kind: 'Gateway',
    metadata,
    spec: { gatewayClassName: 'weft', listeners, ...(addresses && { addresses }) },
  });
  const filters = [{ type: 'RequestRedirect', requestRedirect: { hostname: `${name}.example` } }];
  const spec = { parentRefs: [{ name }], rules: [{ filters }] };
  await client.create(HTTP_ROUTES, { apiVersion: GROUP, kind: 'HTTPRoute', metadata, spec });
};

const addressOf = async (client: Client, name: string): Promise<string> =>
  until(`the address of ${name}`, async () => {
    const { status } = await client.get(GATEWAYS, name, IN_DEFAULT);
    return (status as { addresses?: { value: string }[] } | undefined)?.addresses?.[0]?.value;
  });

/** Where a Gateway sends to; or the code of the error. */
const sentTo = (host: string, port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const call = request({ host, port, agent: false });
    call.on('response', (response: IncomingMessage) => {
      response.resume();
      resolve(response.headers.location && new URL(response.headers.location).hostname);
    });
    call.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    call.end();
  });

const untilSentTo = (host: string, port: number, want: string) =>
  until(`${host} to answer ${want}`, async () => (await sentTo(host, port)) === want);

const run = async (engine: string, t: TestContext): Promise<void> => {
  const control = await startControl('--gateway-addresses=127.90.0.0/24', '--cluster-addresses=127.92.0.0/24');
  t.after(() => control.close());
  control.start('proxy', '--role=gateway', '--namespace=weft-system', `--engine=${engine}`, '--ready-port=0');
  const client = control.client();
  await client.delete(POLICIES, 'default-deny', { namespace: 'weft-system' });
  const port = await findFreePort('127.0.0.1');
  await add(client, 'a', port);
  await add(client, 'b', port);
  const [a, b] = [await addressOf(client, 'a'), await addressOf(client, 'b')];
  assert.deepEqual([a, b], ['127.90.0.1', '127.90.0.2']);
  await untilSentTo(a, port, 'a.example');
  await untilSentTo(b, port, 'b.example');

  await add(client, 'inner', port, [{ type: 'IPAddress', routability: 'Cluster' }]);
  assert.equal(await addressOf(client, 'inner'), '127.92.0.1');
  await untilSentTo('127.92.0.1', port, 'inner.example');

  await control.kill();
  await control.restart();
  const again = control.client();
  // A first change shows that the new control plane has compiled and spoken.
  await again.delete(GATEWAYS, 'a', IN_DEFAULT);
  await untilSentTo(a, port, 'ECONNREFUSED');
  assert.equal(await sentTo(b, port), 'b.example');
  assert.equal(await addressOf(again, 'b'), b);

  await add(again, 'c', port);
  const c = await addressOf(again, 'c');
  assert.notEqual(c, b);
  await untilSentTo(c, port, 'c.example');
};

describe('Gateways have addresses of their own', () => {
  for (const engine of ['weft', 'envoy']) test(engine, (t) => run(engine, t));
});
