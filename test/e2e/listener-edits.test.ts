// Listeners, addresses and ListenerSets come, go and go wrong while requests run, on both engines: none of them fails.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findEnvoy } from '../../src/envoy/find.ts';
import { ask, openGatewayFolder, routeTo, startRequests, stopGateway } from './gateway.ts';
import { until } from './until.ts';

const hasEnvoy = await findEnvoy({ env: process.env }).then(
  () => true,
  () => false,
);

const gateway = (port: number, addresses = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  gatewayClassName: weft
  allowedListeners: { namespaces: { from: Same } }
  ${addresses && `addresses: [${addresses}]`}
  listeners: [{ name: http, protocol: HTTP, port: ${port} }]
`;

const listenerSet = (name: string, listener: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: ${name}, namespace: default }
spec: { parentRef: { name: edge }, listeners: [{ name: own, ${listener} }] }
`;

const setRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: set, namespace: default }
spec:
  parentRefs: [{ kind: ListenerSet, name: good }]
  rules: [{ backendRefs: [{ name: two, port: 80 }] }]
`;

for (const engine of ['weft', 'envoy'] as const) {
  describe(`edits of listeners on the engine ${engine}`, {
    skip: engine === 'envoy' && !hasEnvoy && 'no Envoy',
  }, () => {
    test('fail no request that can be served', async (t) => {
      const folder = await openGatewayFolder(t, engine);
      const port = await folder.freePort();
      folder.write('gateway.yaml', gateway(port));
      folder.write('route.yaml', routeTo('one'));
      const running = await folder.serve(port);
      const answers = (wanted: string, options: { host?: string; address?: string } = {}) =>
        until(
          `${JSON.stringify(options)} to answer ${wanted}`,
          async () => (await ask(port, '/', options)).body === wanted,
        );
      const says = (pattern: RegExp) => until(`${pattern} to be said`, () => pattern.test(running.stderr()));
      await answers('one');
      const load = startRequests(port);

      folder.write('set.yaml', listenerSet('good', `protocol: HTTP, port: ${port}, hostname: set.test`), setRoute);
      await answers('two', { host: 'set.test' });
      folder.write('bad.yaml', listenerSet('raw', `protocol: TCP, port: ${port}`));
      await says(/is HTTP at an earlier listener/);
      folder.write('bad.yaml', listenerSet('same', `protocol: HTTP, port: ${port}`));
      await says(/a listener of the Gateway has port \d+ with no hostname too/);

      const addresses = ['value: 127.0.0.2', 'value: 192.0.2.1', 'type: Hostname, value: edge.test'];
      folder.write(
        'gateway.yaml',
        gateway(port, ['type: IPAddress', ...addresses].map((one) => `{ ${one} }`).join(', ')),
      );
      await answers('one', { address: '127.0.0.2' });
      await says(/an address of type Hostname is not supported/);
      await says(/192\.0\.2\.1:\d+/);
      folder.write('gateway.yaml', gateway(port));
      await until('127.0.0.2 to be closed', () =>
        ask(port, '/', { address: '127.0.0.2' }).then(
          () => false,
          () => true,
        ),
      );

      folder.remove('set.yaml');
      await answers('one', { host: 'set.test' });
      assert.deepEqual((await load.stop()).failures, []);
      await stopGateway(folder, running);
    });
  });
}
