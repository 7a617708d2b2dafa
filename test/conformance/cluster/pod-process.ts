// One Pod as a process in a network namespace of its own, and what it wrote. Used by pods.ts.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Container, PodSpec, Volume } from '../../../src/kinds/pod/schema.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { connectPod, POD_START, podAddress } from './network.ts';

export interface PodProcess {
  readonly address: string;
  /** Resolves when it said its first words, or after a moment. */
  readonly started: Promise<void>;
  /** What it wrote since a time. */
  log(sinceMs: number): string;
  stop(): void;
}

export interface PodOptions {
  readonly pod: Resource;
  readonly number: number;
  /** A folder of its own, for its volumes. */
  readonly folder: string;
  readonly program: string;
  readonly secretOf: (key: string) => Resource | undefined;
  readonly configMapOf: (key: string) => Resource | undefined;
}

const MAX_LINES = 50_000;
const QUIET_START_MS = 2_000;

const specOf = ({ spec }: Resource): PodSpec => spec as PodSpec;

/** What a Secret or ConfigMap holds; undefined while it is missing. */
const contentOf = ({ pod, secretOf, configMapOf }: PodOptions, { secret, configMap }: Volume) => {
  const namespace = pod.metadata.namespace;
  if (secret) {
    const found = secretOf(`${namespace}/${secret.secretName}`) as { data?: Record<string, string> } | undefined;
    return found && { data: found.data ?? {}, encoding: 'base64' as const, items: secret.items };
  }
  const found = configMapOf(`${namespace}/${configMap?.name}`) as { data?: Record<string, string> } | undefined;
  return found && { data: found.data ?? {}, encoding: 'utf8' as const, items: configMap?.items };
};

/** Writes the Pod's volumes; undefined while one is missing. By the path that the container sees it at. */
const writeVolumes = (options: PodOptions, container: Container): Map<string, string> | undefined => {
  const { pod, folder } = options;
  const mounts = new Map<string, string>();
  for (const { name, mountPath } of container.volumeMounts ?? []) {
    const volume = specOf(pod).volumes?.find((one) => one.name === name);
    if (!volume?.secret && !volume?.configMap) continue;
    const content = contentOf(options, volume);
    if (!content) return undefined;
    const { data, encoding, items = Object.keys(data).map((key) => ({ key, path: key })) } = content;
    for (const { key, path } of items) {
      const file = join(folder, name, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, Buffer.from(data[key] ?? '', encoding), { mode: 0o600 });
    }
    mounts.set(mountPath.replace(/\/$/, ''), join(folder, name));
  }
  return mounts;
};

/** Paths below a volume lead to where its files are: all Pods share one file system. */
const moved = (value: string, mounts: ReadonlyMap<string, string>): string => {
  for (const [from, to] of mounts)
    if (value === from || value.startsWith(`${from}/`)) return to + value.slice(from.length);
  return value;
};

const environmentOf = (pod: Resource, address: string, container: Container, mounts: ReadonlyMap<string, string>) => {
  const fields: Record<string, string | undefined> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'status.podIP': address,
    'spec.nodeName': specOf(pod).nodeName,
  };
  const entries = (container.env ?? []).map(({ name, value = '', valueFrom }) => {
    const path = valueFrom?.fieldRef?.fieldPath;
    return [name, path === undefined ? moved(value, mounts) : (fields[path] ?? '')];
  });
  return Object.fromEntries(entries) as Record<string, string>;
};

/** Undefined while something that it needs is missing. Of several containers the first runs. */
export const startPod = (options: PodOptions): PodProcess | undefined => {
  const { pod, number, program } = options;
  const container = specOf(pod).containers[0]!;
  const mounts = writeVolumes(options, container);
  if (!mounts) return undefined;
  const address = podAddress(number);
  const child = spawn('unshare', ['--net', 'sh', '-c', POD_START, address, program], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...environmentOf(pod, address, container, mounts) },
  });
  child.stdin.on('error', () => {});
  const lines: { readonly atMs: number; readonly text: string }[] = [];
  const started = Promise.withResolvers<void>();
  let isApart = false;
  let isStopped = false;
  const take = (text: string) => {
    // Its namespace is gone, even where its words come only now.
    if (isStopped) return;
    if (isApart) {
      lines.push({ atMs: Date.now(), text });
      if (lines.length > MAX_LINES) lines.shift();
      started.resolve();
      return;
    }
    isApart = true;
    connectPod(number, child.pid!);
    child.stdin.end('\n');
    setTimeout(() => started.resolve(), QUIET_START_MS).unref();
  };
  collectLines(child, take);
  return {
    address,
    started: started.promise,
    log: (sinceMs) =>
      lines
        .filter(({ atMs }) => atMs >= sinceMs)
        .map(({ text }) => `${text}\n`)
        .join(''),
    stop: () => {
      isStopped = true;
      child.kill('SIGKILL');
    },
  };
};

const collectLines = (child: ChildProcess, take: (line: string) => void): void => {
  for (const stream of [child.stdout!, child.stderr!]) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) take(part);
    });
  }
};
