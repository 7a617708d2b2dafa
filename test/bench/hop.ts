// A hop of the mesh: from a gateway over mutual TLS to the proxy of a workload, as users run them, under one control plane.
// Each pair of proxies, Weft's and Envoy's, has core 0; control plane, program and load have core 1. Called by bench.ts.
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Case } from './cases.ts';
import { type Effort, judge, measure, type Target, type Verdict } from './compare.ts';
import { wrk } from './load.ts';
import { ADDRESS, LOAD_CORE, Machine, PROXY_CORE, untilOpen } from './machine.ts';
import { envoysOf, nginxCommand } from './peers.ts';
import { commandOf, treeOf } from './process-stats.ts';
import { toYaml } from './resources.ts';

const WEFT = join(import.meta.dirname, '../../bin/weft');
const ENGINES = ['weft', 'envoy'] as const;
type Engine = (typeof ENGINES)[number];

const PORTS = { api: 18_280, browser: 18_281, xds: 18_282, 'xds-tls': 18_283 };
const gatewayPort = (engine: Engine): number => 18_290 + ENGINES.indexOf(engine);
const programPort = (engine: Engine): number => 18_300 + ENGINES.indexOf(engine);

const GATEWAY = 'gateway.networking.k8s.io/v1';
const inDefault = (name: string) => ({ name, namespace: 'default' });

/** The program behind one pair, the way to it, and who may take it. */
const resourcesOf = (engine: Engine): object[] => {
  const [edge, service] = [`edge-${engine}`, `program-${engine}`];
  const policy = (name: string, spec: object) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: inDefault(name),
    spec: { action: 'ALLOW', ...spec },
  });
  const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: edge };
  const principals = [`cluster.local/ns/weft-system/sa/${edge}`];
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: edge, namespace: 'weft-system' } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: inDefault(service) },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: inDefault(service),
      spec: { selector: { app: service }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
    },
    {
      apiVersion: GATEWAY,
      kind: 'Gateway',
      metadata: inDefault(edge),
      spec: {
        gatewayClassName: 'weft',
        listeners: [{ name: 'http', protocol: 'HTTP', port: gatewayPort(engine) }],
      },
    },
    {
      apiVersion: GATEWAY,
      kind: 'HTTPRoute',
      metadata: inDefault(edge),
      spec: { parentRefs: [{ name: edge }], rules: [{ backendRefs: [{ name: service, port: 80 }] }] },
    },
    policy(edge, { targetRefs: [gateway], rules: [{}] }),
    policy(service, {
      selector: { matchLabels: { app: service } },
      rules: [{ from: [{ source: { principals } }], to: [{ operation: { methods: ['GET'] } }] }],
    }),
  ];
};

const isProxy = (pid: number): boolean => / proxy --role[= ]/.test(commandOf(pid));

/** The two proxies of a pair, of what was started for it. */
const proxiesOf = (engine: Engine, started: readonly number[]): number[] =>
  engine === 'envoy' ? started.flatMap(envoysOf) : started.flatMap(treeOf).filter(isProxy);

const untilAnswered = async (url: string): Promise<void> => {
  for (let tries = 0; tries < 300; tries++) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.text();
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error(`${url} is not answered after 30 s`);
};

const startPair = async (machine: Machine, dataDir: string, engine: Engine): Promise<Target> => {
  const file = join(machine.dir, `${engine}.yaml`);
  writeFileSync(file, toYaml(resourcesOf(engine)));
  execFileSync(WEFT, ['apply', `--data-dir=${dataDir}`, '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  const common = [`--data-dir=${dataDir}`, `--engine=${engine}`, '--quiet'];
  const edge = [
    '--role=gateway',
    `--name=edge-${engine}`,
    '--namespace=weft-system',
    `--gateway=default/edge-${engine}`,
  ];
  const listen = { address: ADDRESS, port: programPort(engine) };
  const location = 'default_type text/plain; return 200 "hello\\n";';
  const program = nginxCommand(machine.folder(`program-${engine}`), { listen, location });
  const flags = [`--service=program-${engine}`, `--port=http=${listen.port}`];
  const pinned = ['taskset', '-c', String(LOAD_CORE), ...program];
  const started = [
    machine.start(PROXY_CORE, [WEFT, 'proxy', ...edge, ...common]),
    machine.start(PROXY_CORE, [WEFT, 'run', ...flags, ...common, '--', ...pinned]),
  ];
  const url = `http://${ADDRESS}:${gatewayPort(engine)}/`;
  await untilOpen(`the gateway (${engine})`, gatewayPort(engine));
  await untilAnswered(url);
  return { name: engine, url, dir: machine.dir, pids: proxiesOf(engine, started), runs: [] };
};

export const compareHops = async (connections: number, effort: Effort): Promise<Verdict[]> => {
  const machine = new Machine();
  const load = wrk(connections);
  const what: Pick<Case, 'name' | 'bars' | 'unit'> = { name: 'mtls', bars: { envoy: 2 } };
  try {
    const dataDir = machine.folder('mesh');
    const ports = Object.entries(PORTS).map(([name, port]) => `--${name}-port=${port}`);
    machine.start(LOAD_CORE, [WEFT, 'control', `--data-dir=${dataDir}`, ...ports]);
    await untilOpen('the control plane', PORTS.api);
    for (let tries = 0; tries < 100 && !readdirSync(dataDir).includes('control.json'); tries++) await sleep(50);
    const targets: Target[] = [];
    for (const engine of ENGINES) targets.push(await startPair(machine, dataDir, engine));
    for (const { url } of targets) load(url, 1, machine.dir);
    measure(targets, load, 1, effort);
    return judge(what, targets);
  } finally {
    await machine.close();
  }
};
