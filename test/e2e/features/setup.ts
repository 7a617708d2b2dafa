// The services and callers that all feature cases share, and who may call whom unless a case says otherwise.
// Used by features.test.ts.
import type { Bench, Caller } from './bench.ts';

export interface Features extends Bench {
  /** default/client: may call everything. */
  readonly caller: Caller;
  /** other/stranger: may call nothing. */
  readonly stranger: Caller;
  /** Local ports of `caller` that lead to TCP port 7000 of web, and of guarded. */
  readonly localPort: { readonly web: number; readonly guarded: number };
}

export const PORTS = '[{ name: http, port: 80, targetPort: http }, { name: tcp, port: 7000, targetPort: tcp }]';

export const service = (name: string, selector: string, namespace = 'default', ports = PORTS): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { selector: ${selector}, ports: ${ports} }
`;

const HTTP_ONLY = '[{ name: http, port: 80, targetPort: http }]';

const BASE = [
  `
apiVersion: v1
kind: Namespace
metadata: { name: other, labels: { team: other } }
`,
  service('web', '{ app: web }'),
  service('web-v1', '{ app: web, version: v1 }', 'default', HTTP_ONLY),
  service('web-v2', '{ app: web, version: v2 }', 'default', HTTP_ONLY),
  service('web', '{ app: web }', 'other', HTTP_ONLY),
  service('guarded', '{ app: guarded }'),
  `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: trusted-callers, namespace: weft-system }
spec:
  rules: [{ from: [{ source: { principals: [cluster.local/ns/default/sa/client, '*/sa/gateway'] } }] }]
`,
];

export const openFeatures = async (bench: Bench): Promise<Features> => {
  await bench.apply(...BASE);
  const [web, guarded] = [await bench.freePort(), await bench.freePort()];
  const two = async () => ({ http: await bench.freePort(), tcp: await bench.freePort() });
  const localPorts = [`--local-port=${web}=web:7000`, `--local-port=${guarded}=guarded:7000`];
  const [caller, stranger] = await Promise.all([
    bench.join('client', { flags: localPorts }),
    bench.join('stranger', { namespace: 'other' }),
    bench.serve('web', 'web-1', { ports: await two() }),
    bench.serve('web', 'web-2', { version: 'v2' }),
    bench.serve('web', 'other-web', { namespace: 'other' }),
    bench.serve('guarded', 'guarded-1', { ports: await two() }),
  ]);
  return { ...bench, caller, stranger, localPort: { web, guarded } };
};
