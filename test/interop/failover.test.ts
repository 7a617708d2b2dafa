// One of four endpoints fails as programs do, on both engines: clients hardly notice, it is left alone, and it comes back.
// How soon is measured by `npm run bench -- failover`.
import assert from 'node:assert/strict';
import { Agent, get } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { until } from '../e2e/until.ts';
import { type Behaviour, CALLER_HEADER, FAILOVER_POLICY, FailingEndpoint } from '../fakes/failing-endpoint.ts';
import { ENGINES, freePorts, type GatewayEngine, LOOPBACK, startGateway } from '../fakes/gateway-engines.ts';

const EVENTS: Readonly<Record<string, Behaviour>> = {
  'answers with errors': 'error',
  hangs: 'hang',
  'resets its connections': 'reset',
  'was killed': 'closed',
};

const CALLER = 'test';
const AT_ONCE = 4;

const slice = ({ name, port }: FailingEndpoint): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: default, labels: { kubernetes.io/service-name: pool } }
addressType: IPv4
ports: [{ name: main, port: ${port}, protocol: TCP }]
endpoints: [{ addresses: [${LOOPBACK}] }]
`;

// More patience than the measurement has: how soon an answer comes on a busy machine says nothing.
const { retry, healthCheck } = FAILOVER_POLICY;
const policy = { ...FAILOVER_POLICY, retry: { ...retry, perRetry: { ...retry.perRetry, timeout: '1s' } }, healthCheck };

const manifests = (port: number, endpoints: readonly FailingEndpoint[]): string[] => [
  `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: ${port}, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: all, namespace: default }
spec: { parentRefs: [{ name: edge }], rules: [{ backendRefs: [{ name: pool, port: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: pool, namespace: default }
spec: { ports: [{ name: main, port: 80, protocol: TCP }] }
`,
  stringify({
    apiVersion: 'gateway.envoyproxy.io/v1alpha1',
    kind: 'BackendTrafficPolicy',
    metadata: { name: 'failover', namespace: 'default' },
    spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge' }], ...policy },
  }),
  ...endpoints.map(slice),
];

for (const name of ENGINES) {
  describe(`the engine ${name}`, () => {
    const endpoints = Array.from({ length: 4 }, (_, i) => new FailingEndpoint(`endpoint-${i}`, LOOPBACK));
    const agent = new Agent({ keepAlive: true });
    let engine: GatewayEngine | undefined;
    let http = 0;

    before(async () => {
      await Promise.all(endpoints.map((endpoint) => endpoint.open()));
      [http] = (await freePorts(1)) as [number];
      engine = await startGateway(name, manifests(http, endpoints));
      await until('every endpoint to be used', async () => {
        await ask(20);
        return endpoints.every((endpoint) => endpoint.caller(CALLER).firstServedAt !== undefined);
      });
    });
    after(async () => {
      agent.destroy();
      await engine?.close();
      await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    });

    const askOnce = (): Promise<number> =>
      new Promise((resolve) => {
        const headers = { [CALLER_HEADER]: CALLER };
        const request = get({ host: LOOPBACK, port: http, agent, headers }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode ?? 0));
        });
        request.on('error', () => resolve(0));
      });

    /** How many were not answered well. */
    const ask = async (count: number): Promise<number> => {
      let [left, errors] = [count, 0];
      const client = async () => {
        while (left-- > 0) if ((await askOnce()) !== 200) errors++;
      };
      await Promise.all(Array.from({ length: AT_ONCE }, client));
      return errors;
    };

    for (const [event, behaviour] of Object.entries(EVENTS)) {
      it(`hides from clients that an endpoint ${event}`, async () => {
        const endpoint = endpoints[1]!;
        let errors = 0;
        await endpoint.behave(behaviour);
        await until('it to be left alone', async () => {
          const { met } = endpoint.caller(CALLER);
          errors += await ask(40);
          return endpoint.caller(CALLER).met === met;
        });
        assert.ok(errors <= 1, `${errors} errors`);
        await endpoint.behave('well');
        await until('it to be used again', async () => {
          errors += await ask(20);
          return endpoint.caller(CALLER).firstServedAt !== undefined;
        });
        assert.ok(errors <= 1, `${errors} errors`);
      });
    }
  });
}
