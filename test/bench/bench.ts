// npm run bench [-- http|tls|startup|latency …]: Weft's gateway beside Envoy and nginx in one run, what a start costs, and
// how soon the mesh follows.
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { findEnvoy } from '../../src/envoy/find.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { compareGateways } from './gateways.ts';
import { measureLatency } from './latency.ts';
import { peers } from './peers.ts';
import { measureInstall, measureStartup } from './startup.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '32' },
    peers: { type: 'string', default: 'weft,envoy,nginx' },
    envoy: { type: 'string' },
  },
});

const cases = positionals.length ? positionals : ['http', 'tls', 'startup', 'latency'];
const missing = ['wrk', 'nginx', 'taskset', 'openssl'].filter((tool) => spawnSync('which', [tool]).status !== 0);
if (missing.length) {
  console.error(
    `error: the benchmark needs ${missing.join(', ')}\n  try: apt-get install wrk nginx util-linux openssl`,
  );
  process.exit(2);
}

const envoy = await findEnvoy({ ...(values.envoy && { option: values.envoy }), env: process.env });
const chosen = values.peers.split(',');
const compared = new Map([...peers(envoy.path)].filter(([name]) => chosen.includes(name)));
// nginx says its version on standard error: `nginx version: nginx/1.22.1`.
const nginx = spawnSync('nginx', ['-v'], { encoding: 'utf8' }).stderr.trim().split(': ').at(-1);
const today = new Date(systemClock.now()).toISOString();
console.log(`${today}  node ${process.version}, envoy ${envoy.version}, ${nginx}, load ${loadavg()[0]?.toFixed(2)}`);

const { rounds, seconds, connections } = values;
const settings = {
  peers: compared,
  rounds: Number(rounds),
  seconds: Number(seconds),
  connections: Number(connections),
};
for (const name of ['http', 'tls'] as const) {
  if (!cases.includes(name)) continue;
  console.log(`\n${name === 'tls' ? 'TLS to the client' : 'HTTP/1.1 plain'}, one route, ${connections} connections`);
  await compareGateways({ ...settings, tls: name === 'tls' });
}
if (cases.includes('startup')) {
  console.log('');
  await measureStartup();
  measureInstall();
}
if (cases.includes('latency')) {
  console.log('');
  await measureLatency(Number(rounds));
}
