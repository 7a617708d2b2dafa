// Limits of rates that the control plane counts, and access logs that a Gateway's EnvoyProxy asks for. Used by features.test.ts.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../until.ts';
import { gateway, route, to } from './gateway-cases.ts';
import { call } from './http-call.ts';
import type { Features } from './setup.ts';

const limit = (name: string, requests: number): string => `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: { name: ${name}, namespace: default }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: ${name} }]
  rateLimit: { global: { rules: [{ limit: { requests: ${requests}, unit: Year } }] } }
`;

const logged = (name: string, path: string): string => `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: { name: ${name}, namespace: default }
spec:
  telemetry:
    accessLog:
      settings:
        - format: { type: Text, text: '%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%' }
          sinks: [{ type: File, file: { path: '${path}' } }]
`;

export const limitCases: Record<string, (f: Features) => Promise<void>> = {
  'requests beyond a global limit are refused, by what the control plane has counted': async (f) => {
    const port = await f.freePort();
    await f.apply(
      gateway('limited', `{ name: main, protocol: HTTP, port: ${port} }`),
      route('limited', '{ name: limited }', `  rules: [{ backendRefs: ${to('web-v1')} }]`),
    );
    const ask = () => call(port, '/').catch(() => undefined);
    await until('the route', async () => (await ask())?.status === 200);
    await f.apply(limit('limited', 3));
    await until('the limit', async () => (await ask())?.status === 429);
    const refused = await f.flow('the refusal', ({ http, flags }) => http?.status === 429 && flags.includes('RL'));
    assert.equal(refused.route, 'HTTPRoute/default/limited/0/0');
    await f.remove(limit('limited', 3));
    await until('no limit', async () => (await ask())?.status === 200);
  },

  'a Gateway writes the access log of its EnvoyProxy': async (f) => {
    const port = await f.freePort();
    const dir = mkdtempSync(join(tmpdir(), 'weft-access-'));
    try {
      const path = join(dir, 'log');
      const plain = gateway('logged', `{ name: main, protocol: HTTP, port: ${port} }`);
      const infrastructure =
        'infrastructure: { parametersRef: { group: gateway.envoyproxy.io, kind: EnvoyProxy, name: logged } }';
      await f.apply(
        logged('logged', path),
        plain.replace('gatewayClassName: weft', `gatewayClassName: weft\n  ${infrastructure}`),
        route('logged', '{ name: logged }', `  rules: [{ backendRefs: ${to('web-v1')} }]`),
      );
      await until('the route', async () => (await call(port, '/a?b').catch(() => undefined))?.status === 200);
      const text = () => {
        try {
          return readFileSync(path, 'utf8');
        } catch {
          return '';
        }
      };
      await until('the line', async () => text().includes('GET /a?b 200 -\n'));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};
