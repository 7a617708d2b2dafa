// A gateway without a control plane: compiles the manifests of a folder by itself and follows their changes.
import { openCompiler } from '../compile/compiler.ts';
import { systemClock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { nodeId, type ProxyNode } from '../model/node.ts';
import { type Condition, qualifiedName } from '../model/resource.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { openProxy } from '../proxy/proxy.ts';
import { tellProblems } from './engines.ts';
import { announceReady, onEnd } from './process.ts';
import { openResourceFolder, type ResourceFolder } from './resource-folder.ts';

export interface StandaloneOptions {
  readonly resources: string;
  readonly engine: 'weft' | 'envoy';
  readonly envoy?: string;
  readonly name: string;
  readonly namespace: string;
  readonly gateway?: string;
  readonly bindAddress: string;
}

const DRAIN_MS = 10_000;
const TRUST_DOMAIN = 'cluster.local';

/** What a standalone gateway runs: takes each new snapshot, ends when told. */
export interface StandaloneEngine {
  apply(snapshot: Snapshot): Promise<void>;
  drain(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

const nodeOf = ({ engine, name, namespace, gateway, bindAddress }: StandaloneOptions): ProxyNode => ({
  id: nodeId('gateway', bindAddress, name, namespace),
  role: 'gateway',
  engine,
  name,
  namespace,
  serviceAccount: name,
  labels: {},
  localPorts: [],
  ports: {},
  appAddress: '127.0.0.1',
  bindAddress,
  ...(gateway && { gateway }),
});

/** Conditions that say no, as lines of the log: without an API nobody could read them elsewhere. */
const refusals = (status: unknown): string[] => {
  const found: string[] = [];
  JSON.stringify(status, (_key, value: unknown) => {
    const { type, status: state, reason, message } = (value ?? {}) as Partial<Condition>;
    const good = type === 'Conflicted' || type === 'OverlappingTLSConfig' ? 'False' : 'True';
    if (type && state && reason && state !== good) found.push(`${type}=${state} ${reason}: ${message}`);
    return value;
  });
  return found;
};

/** Compiles what the folder says now; tells what could not be used, each thing once. */
const openLoop = (node: ProxyNode, log: Log) => {
  const compiler = openCompiler({ trustDomain: TRUST_DOMAIN });
  let told = new Set<string>();
  let revision = 0;
  return (folder: ResourceFolder): Snapshot => {
    const gatewayAddresses = [{ ...(node.gateway && { gateway: node.gateway }), address: node.bindAddress ?? '' }];
    const options = { revision: ++revision, nowMs: systemClock.now(), gatewayAddresses };
    const { mesh, statuses, problems } = compiler.compile(folder.resources(), options);
    const lines = new Set<string>();
    for (const { message, resource } of problems) lines.add(`${resource?.kind} ${resource?.name}: ${message}`);
    for (const { resource, status } of statuses.values()) {
      for (const line of refusals(status)) lines.add(`${resource.kind} ${qualifiedName(resource.metadata)}: ${line}`);
    }
    for (const line of lines) if (!told.has(line)) log.warn(line);
    told = lines;
    return compiler.snapshotFor(mesh, node);
  };
};

const openWeft = async (node: ProxyNode, log: Log): Promise<StandaloneEngine> => {
  const proxy = openProxy({
    node,
    onEvent: () => {},
    clock: systemClock,
    random: systemRandom,
    log: log.child('engine'),
  });
  return {
    apply: async (snapshot) => tellProblems(await proxy.apply(snapshot), log),
    drain: (timeoutMs) => proxy.drain(timeoutMs),
    close: () => proxy.close(),
  };
};

/** Runs until it is told to end; answers the exit code. */
export const runStandalone = async (options: StandaloneOptions, log: Log): Promise<number> => {
  const ended = Promise.withResolvers<void>();
  onEnd(() => ended.resolve());
  const node = nodeOf(options);
  const compile = openLoop(node, log);
  let engine: StandaloneEngine | undefined;
  const folder = openResourceFolder(options.resources, systemClock, log, () => {
    engine
      ?.apply(compile(folder))
      .catch((error) => log.error('the last good configuration goes on', { reason: messageOf(error) }));
  });
  const first = compile(folder);
  engine = await openWeft(node, log);
  await engine.apply(first);
  for (const { address, port } of first.listeners.values()) log.info('listening', { address: `${address}:${port}` });
  if (first.listeners.size === 0) log.warn('no Gateway of class weft in the folder yet', { folder: options.resources });
  announceReady();
  await ended.promise;
  folder.close();
  await engine.drain(DRAIN_MS);
  await engine.close();
  return 0;
};
