// A process that supervises an Envoy and can be killed: prints Envoy's pid and folder, then waits. Arguments: the Envoy binary.
import { dirname } from 'node:path';
import { openEnvoyEngine } from '../../src/envoy/engine.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';

const envoy = await openEnvoyEngine({
  path: process.argv[2]!,
  node: { id: 'test', cluster: 'test', metadata: {} },
  // Nothing listens there: Envoy waits for its configuration.
  xds: { host: '127.0.0.1', port: 1, tls: false },
  clock: systemClock,
  log: silentLog,
});
const { adminAddress } = envoy;
process.stdout.write(`${envoy.pid} ${'socketPath' in adminAddress ? dirname(adminAddress.socketPath) : ''}\n`);
