// npm run bench [-- http|full|tls|h2|grpc|large|mtls|p99|workers|startup|memory|latency|routes|failover …]: Weft's gateway beside Envoy and
// nginx in one run, what a start costs, and how soon the mesh follows. Ends with each bar and what was measured.
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { findEnvoy } from '../../src/envoy/find.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { messageOf } from '../../src/lib/errors.ts';
import { casesOf } from './cases.ts';
import { compare, compareLatency, type Verdict } from './compare.ts';
import { measureFailover } from './failover.ts';
import { compareHops } from './hop.ts';
import { measureLatency } from './latency.ts';
import { measureMemory } from './memory.ts';
import { openPeers } from './peers.ts';
import { measureRoutes } from './routes.ts';
import { measureInstall, measureStartup } from './startup.ts';
import { compareWorkers } from './workers.ts';

const readArguments = () =>
  parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      connections: { type: 'string', default: '32' },
      peers: { type: 'string' },
      envoy: { type: 'string' },
      bun: { type: 'string' },
      routes: { type: 'string', default: '5000' },
      'envoy-routes': { type: 'string', default: '5000' },
      probes: { type: 'string', default: '100' },
      churn: { type: 'string', default: '20' },
      load: { type: 'string', default: '200' },
      'failover-seconds': { type: 'string', default: '4' },
    },
  });

const argumentsOrEnd = () => {
  try {
    return readArguments();
  } catch (error) {
    console.error(`error: ${messageOf(error)}`);
    process.exit(2);
  }
};

const { values, positionals } = argumentsOrEnd();

const cases = casesOf(Number(values.connections));
const OTHERS = ['mtls', 'p99', 'workers', 'startup', 'memory', 'latency', 'routes', 'failover'];
const known = [...cases.map(({ name }) => name), ...OTHERS];
const unknown = positionals.find((name) => !known.includes(name));
if (unknown !== undefined) {
  console.error(`error: there is no benchmark "${unknown}"\n  try: ${known.join(', ')}, or nothing for all`);
  process.exit(2);
}
const isWanted = (name: string): boolean => positionals.length === 0 || positionals.includes(name);

const needed = ['wrk', 'nginx', 'taskset', 'openssl', 'h2load', 'nghttpd'];
const missing = needed.filter((tool) => spawnSync('which', [tool]).status !== 0);
if (missing.length) {
  const packages = 'wrk nginx util-linux openssl nghttp2-client nghttp2-server';
  console.error(`error: the benchmark needs ${missing.join(', ')}\n  try: apt-get install ${packages}`);
  process.exit(2);
}

const bun = values.bun ?? (spawnSync('bun', ['--version']).status === 0 ? 'bun' : undefined);
const envoy = await findEnvoy({ ...(values.envoy && { option: values.envoy }), env: process.env });
const chosen = values.peers?.split(',');
const peers = new Map([...openPeers(envoy.path, bun)].filter(([name]) => !chosen || chosen.includes(name)));
// nginx says its version on standard error: `nginx version: nginx/1.22.1`.
const nginx = spawnSync('nginx', ['-v'], { encoding: 'utf8' }).stderr.trim().split(': ').at(-1);
const bunVersion = bun ? `, bun ${spawnSync(bun, ['--version'], { encoding: 'utf8' }).stdout.trim()}` : '';
const today = new Date(systemClock.now()).toISOString();
const load = loadavg()[0]?.toFixed(2);
console.log(`${today}  node ${process.version}, envoy ${envoy.version}, ${nginx}${bunVersion}, load ${load}`);

const effort = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
const verdicts: Verdict[] = [];
for (const one of cases) {
  if (!isWanted(one.name)) continue;
  console.log(`\n${one.title}`);
  verdicts.push(...(await compare(one, peers, effort)));
}
if (isWanted('mtls')) {
  console.log('\nMutual TLS, proxy to proxy: a gateway and the proxy of a workload');
  verdicts.push(...(await compareHops(Number(values.connections), effort)));
}
if (isWanted('p99')) {
  console.log("\nHTTP/1.1 plain at half of Envoy's own maximum rate, 32 connections");
  verdicts.push(...(await compareLatency({ ...cases[0]!, peers: ['envoy', 'nginx'] }, peers, effort)));
}
if (isWanted('workers')) {
  console.log(`\n${cases[0]!.title}, on one core and on two`);
  await compareWorkers(cases[0]!, peers, effort);
}
if (isWanted('startup')) {
  console.log('');
  await measureStartup();
  measureInstall();
}
if (isWanted('memory')) verdicts.push(...(await measureMemory()));
if (isWanted('latency')) {
  console.log('');
  await measureLatency(effort.rounds);
}
if (isWanted('routes')) {
  const [probes, churn, load] = [Number(values.probes), Number(values.churn), Number(values.load)];
  const counts = { weft: Number(values.routes), envoy: Number(values['envoy-routes']) };
  for (const engine of ['weft', 'envoy'] as const) {
    if (counts[engine] > 0) await measureRoutes(engine, { routes: counts[engine], probes, churn, load });
  }
}
if (isWanted('failover')) {
  const failover = { perSecond: Number(values.load), seconds: Number(values['failover-seconds']) };
  verdicts.push(...(await measureFailover(envoy.path, failover)));
}
if (verdicts.length > 0) {
  console.log('\nThe bars');
  console.table(verdicts);
}
