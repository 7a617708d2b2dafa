// One of four endpoints fails under load, in one way after the other, and comes back: what clients see of it, how soon the
// gateway leaves it alone, and how soon it is back. Both engines at once, from the same resources. Called by bench.ts.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../e2e/until.ts';
import { type Behaviour, CALLER_HEADER, FAILOVER_POLICY, FailingEndpoint } from '../fakes/failing-endpoint.ts';
import type { Verdict } from './compare.ts';
import { gatewayAndBackend, oneRoute, toYaml } from './resources.ts';

export interface FailoverEffort {
  readonly perSecond: number;
  /** How long an endpoint fails, and how long it is well again. */
  readonly seconds: number;
}

const ADDRESS = '127.0.0.1';
const ROOT = join(import.meta.dirname, '..', '..');
const ENGINES = ['weft', 'envoy'] as const;
type EngineName = (typeof ENGINES)[number];

/** The same as a user would see it go wrong; the last one is an edit, behind which the program ends. */
const EVENTS: readonly { readonly name: string; readonly behaviour: Behaviour; readonly leaves?: true }[] = [
  { name: 'answers 500', behaviour: 'error' },
  { name: 'hangs', behaviour: 'hang' },
  { name: 'resets', behaviour: 'reset' },
  { name: 'is killed', behaviour: 'closed' },
  { name: 'leaves', behaviour: 'closed', leaves: true },
];

class Gateway {
  readonly engine: EngineName;
  readonly port: number;
  readonly dir = mkdtempSync(join(tmpdir(), 'weft-failover-'));
  readonly #agent = new Agent({ keepAlive: true });
  #child: ChildProcess | undefined;
  errors = 0;
  sent = 0;
  slowestMs = 0;

  constructor(engine: EngineName, port: number) {
    this.engine = engine;
    this.port = port;
  }

  /** In one step: a reader sees one or the other. */
  write(resources: readonly object[]): void {
    const path = join(this.dir, 'gateway.yaml');
    writeFileSync(`${path}.new`, toYaml(resources));
    renameSync(`${path}.new`, path);
  }

  async start(envoyPath: string): Promise<void> {
    const flags = ['proxy', '--role=gateway', `--resources=${this.dir}`, '--quiet'];
    const own = this.engine === 'envoy' ? ['--engine=envoy', `--envoy=${envoyPath}`] : ['--admin-port=0'];
    this.#child = spawn(join(ROOT, 'bin/weft'), [...flags, ...own], { stdio: ['ignore', 'ignore', 'inherit'] });
    await until(`the gateway on ${this.engine} to serve`, async () => (await this.ask()) === 200);
  }

  ask(): Promise<number> {
    return new Promise((resolve) => {
      const headers = { [CALLER_HEADER]: this.engine };
      const request = get({ host: ADDRESS, port: this.port, path: '/', agent: this.#agent, headers }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0)).on('error', () => resolve(0));
      });
      request.on('error', () => resolve(0));
    });
  }

  async count(): Promise<void> {
    const start = performance.now();
    this.sent++;
    if ((await this.ask()) !== 200) this.errors++;
    this.slowestMs = Math.max(this.slowestMs, performance.now() - start);
  }

  reset(): void {
    this.errors = this.sent = this.slowestMs = 0;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    const child = this.#child;
    if (child && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const resourcesFor = (port: number, endpoints: readonly FailingEndpoint[]): object[] => {
  const backend = { address: ADDRESS, port: 1 };
  const all = gatewayAndBackend({ listen: { address: ADDRESS, port }, backend });
  const slices = endpoints.map(({ name, port: own }) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': 'backend' } },
    addressType: 'IPv4',
    ports: [{ name: 'main', port: own }],
    endpoints: [{ addresses: [ADDRESS] }],
  }));
  const policy = {
    apiVersion: 'gateway.envoyproxy.io/v1alpha1',
    kind: 'BackendTrafficPolicy',
    metadata: { name: 'failover', namespace: 'default' },
    spec: {
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'bench' }],
      ...FAILOVER_POLICY,
    },
  };
  const others = all.filter((one) => (one as { kind: string }).kind !== 'EndpointSlice');
  return [...others, ...oneRoute(), ...slices, policy];
};

interface Row {
  readonly event: string;
  readonly engine: EngineName;
  readonly requests: number;
  readonly errors: number;
  readonly 'met it': number;
  readonly 'stops after ms': number;
  readonly 'returns after ms': number;
  readonly 'slowest ms': number;
}

class Scene {
  readonly endpoints = Array.from({ length: 4 }, (_, i) => new FailingEndpoint(`endpoint-${i}`, ADDRESS));
  readonly gateways = ENGINES.map((engine, i) => new Gateway(engine, 18_190 + i));
  #stopped = false;
  #load: Promise<void> | undefined;
  readonly #open = new Set<Promise<void>>();

  write(endpoints: readonly FailingEndpoint[] = this.endpoints): void {
    for (const gateway of this.gateways) gateway.write(resourcesFor(gateway.port, endpoints));
  }

  async open(envoyPath: string, perSecond: number): Promise<void> {
    await Promise.all(this.endpoints.map((endpoint) => endpoint.open()));
    this.write();
    await Promise.all(this.gateways.map((gateway) => gateway.start(envoyPath)));
    this.#load = this.#run(perSecond);
  }

  /** Whatever the answers take. */
  async #run(perSecond: number): Promise<void> {
    for (let next = performance.now(); !this.#stopped; next += 1000 / perSecond) {
      for (const gateway of this.gateways) {
        const one: Promise<void> = gateway.count().finally(() => this.#open.delete(one));
        this.#open.add(one);
      }
      await sleep(Math.max(0, next - performance.now()));
    }
    await Promise.all(this.#open);
  }

  async close(): Promise<void> {
    this.#stopped = true;
    await this.#load;
    await Promise.all(this.gateways.map((gateway) => gateway.close()));
    await Promise.all(this.endpoints.map((endpoint) => endpoint.close()));
  }
}

const runEvent = async (scene: Scene, index: number, seconds: number): Promise<Row[]> => {
  const { name, behaviour, leaves } = EVENTS[index]!;
  const endpoint = scene.endpoints[index % scene.endpoints.length]!;
  for (const gateway of scene.gateways) gateway.reset();
  const failedAt = performance.now();
  if (leaves) {
    scene.write(scene.endpoints.filter((one) => one !== endpoint));
    // As an orchestrator does: it ends when its callers have heard.
    await sleep(2000);
  }
  await endpoint.behave(behaviour);
  await sleep(seconds * 1000);
  const met = new Map(scene.gateways.map(({ engine }) => [engine, { ...endpoint.caller(engine) }]));
  const backAt = performance.now();
  await endpoint.behave('well');
  if (leaves) scene.write();
  await sleep(seconds * 1000);
  return scene.gateways.map(({ engine, sent, errors, slowestMs }) => {
    const { met: count, lastMetAt } = met.get(engine)!;
    const served = endpoint.caller(engine).firstServedAt;
    return {
      event: name,
      engine,
      requests: sent,
      errors,
      'met it': count,
      'stops after ms': count === 0 ? 0 : Math.round(lastMetAt - failedAt),
      'returns after ms': served === undefined ? Number.NaN : Math.round(served - backAt),
      'slowest ms': Math.round(slowestMs),
    };
  });
};

export const measureFailover = async (envoyPath: string, effort: FailoverEffort): Promise<Verdict[]> => {
  const { perSecond, seconds } = effort;
  console.log(
    `\nFailover: one of four endpoints, ${perSecond} requests/s, ${seconds} s bad and ${seconds} s well again`,
  );
  const scene = new Scene();
  const rows: Row[] = [];
  try {
    await scene.open(envoyPath, perSecond);
    await sleep(seconds * 1000);
    for (let i = 0; i < EVENTS.length; i++) rows.push(...(await runEvent(scene, i, seconds)));
  } finally {
    await scene.close();
  }
  console.table(rows);
  const own = rows.filter(({ engine }) => engine === 'weft');
  const worst = Math.max(...own.map(({ errors }) => errors));
  const left = own.find(({ event }) => event === 'leaves')?.errors ?? Number.NaN;
  const slowest = Math.max(...own.map((row) => row['returns after ms']));
  const verdict = (bar: string, measured: number, unit: string, most: number): Verdict => ({
    case: 'failover',
    bar,
    measured: `${measured}${unit}`,
    met: measured <= most ? 'yes' : 'no',
  });
  return [
    verdict('client errors per event ≤ 1', worst, '', 1),
    verdict('client errors of a clean leave = 0', left, '', 0),
    verdict('traffic returns within 1 s', slowest, ' ms', 1000),
  ];
};
