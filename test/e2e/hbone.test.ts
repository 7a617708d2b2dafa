// Workloads that are reached by HBONE, as `weft run` starts them, with policies by who calls.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TrafficEvent } from '../../src/model/event.ts';
import { type Bench, openBench } from './features/bench.ts';
import { until } from './until.ts';

const ALLOW = (by: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: into-tunnelled }
spec:
  selector: { matchLabels: { app: tunnelled } }
  rules: [{ from: [{ source: { principals: [cluster.local/ns/default/sa/${by}] } }] }]
`;

const isFine = ({ http, destination }: TrafficEvent) => http?.status === 200 && destination.service === 'tunnelled';

let bench: Bench;
before(async () => {
  bench = await openBench('weft');
});
after(() => bench?.stop());

test('a service behind HBONE answers those who may call it, and no others', { timeout: 90_000 }, async () => {
  const [app, served, calls] = [await bench.freePort(), await bench.freePort(), await bench.freePort()];
  const flags = [`--hbone-port=${served}`, '--label=networking.istio.io/tunnel=http'];
  await bench.serve('tunnelled', 'tunnelled-1', { ports: { http: app }, flags });
  const caller = await bench.join('friend', { flags: [`--hbone-port=${calls}`] });
  const stranger = await bench.join('stranger');
  await bench.apply(ALLOW('friend'));
  const status = async (from: typeof caller) => (await from.call(`http://tunnelled:${app}/`)).status;
  await until('the friend to be let in', async () => (await status(caller)) === 200);
  assert.equal(await status(stranger), 403);
  const sent = await bench.flow('from the friend', (event) => event.direction === 'outbound' && isFine(event));
  // The program's own address, behind which the identity was proven: that is what CONNECT asks for.
  assert.equal(sent.destination.address, `127.0.0.1:${app}`);
  assert.match(sent.destination.identity ?? '', /\/sa\/tunnelled$/);
  const seen = await bench.flow('the friend', (event) => event.direction === 'inbound' && isFine(event));
  assert.equal(seen.tls, 'mutual');
  assert.match(seen.source.identity ?? '', /\/sa\/friend$/);
  const isStranger = ({ direction, source }: TrafficEvent) =>
    direction === 'inbound' && source.identity?.endsWith('/sa/stranger') === true;
  assert.equal((await bench.flow('the stranger', isStranger)).policy?.verdict, 'deny');
});
