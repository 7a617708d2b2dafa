// A mesh with what tests of features need: resources by their YAML, servers and callers as workloads, and the events of
// what they did. Used by features.test.ts; every case has the whole of it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { findFreePort } from '../../../src/app/ports.ts';
import type { Client, ResourceType } from '../../../src/client/client.ts';
import { requireKind } from '../../../src/kinds/registry.ts';
import { parseManifests } from '../../../src/kinds/yaml.ts';
import { isWeftError } from '../../../src/lib/errors.ts';
import type { TrafficEvent } from '../../../src/model/event.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { type Mesh, type Running, startMesh } from '../mesh.ts';
import { until } from '../until.ts';
import { type Answer, type CallOptions, call } from './http-call.ts';

export type Engine = 'weft' | 'envoy';

/** A workload that calls: its proxy's port, and the environment that programs get from `weft run`. */
export interface Caller {
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  /** A request in absolute form, as programs send it that honour HTTP_PROXY. */
  call(url: string, options?: CallOptions): Promise<Answer>;
}

export interface ServeOptions {
  readonly namespace?: string;
  readonly version?: string;
  readonly ports?: Readonly<Record<string, number>>;
  readonly flags?: readonly string[];
}

export interface Bench {
  readonly engine: Engine;
  readonly mesh: Mesh;
  readonly client: Client;
  freePort(): Promise<number>;
  /** Writes every resource of the YAML, whether it is there or not. */
  apply(...documents: string[]): Promise<void>;
  remove(...documents: string[]): Promise<void>;
  get(apiVersion: string, kind: string, name: string, namespace?: string): Promise<Resource>;
  /** Starts echo.mjs as a workload; it says `name` back. */
  serve(service: string, name: string, options?: ServeOptions): Promise<Running>;
  join(service: string, options?: ServeOptions): Promise<Caller>;
  /** The first event, old or new, that `test` takes. */
  flow(what: string, test: (event: TrafficEvent) => boolean): Promise<TrafficEvent>;
  stop(): Promise<void>;
}

const FLOW_LIMIT_MS = 10_000;
const PROGRAMS = join(import.meta.dirname, '../programs');

const resourcesOf = (documents: readonly string[]): Resource[] => {
  const { resources, problems } = parseManifests(documents.join('\n---\n'), { file: 'test.yaml' });
  assert.deepEqual(problems, []);
  return resources.map(({ resource }) => resource);
};

/** The kind in the version that the resource is written in. */
const typeOf = ({ apiVersion, kind }: Resource): ResourceType => {
  const { group, plural, namespaced } = requireKind(apiVersion, kind);
  return { group, plural, namespaced, version: apiVersion.split('/').at(-1) ?? '' };
};

const applyOne = async (client: Client, resource: Resource): Promise<void> => {
  const kind = typeOf(resource);
  const namespace = kind.namespaced ? (resource.metadata.namespace ?? 'default') : undefined;
  const whole = { ...resource, metadata: { ...resource.metadata, ...(namespace && { namespace }) } };
  await client.create(kind, whole).catch((error) => {
    if (isWeftError(error, 'API_EXISTS')) return client.replace(kind, whole);
    throw error;
  });
};

const removeOne = async (client: Client, resource: Resource): Promise<void> => {
  const { metadata } = resource;
  const type = typeOf(resource);
  const scope = type.namespaced ? { namespace: metadata.namespace ?? 'default' } : {};
  await client.delete(type, metadata.name, scope).catch((error) => {
    if (!isWeftError(error, 'API_NOT_FOUND')) throw error;
  });
};

const portFlags = (ports: Readonly<Record<string, number>>) =>
  Object.entries(ports).map(([name, port]) => `--port=${name}=${port}`);

const runFlags = (engine: Engine, service: string, options: ServeOptions): string[] => [
  ...['run', `--service=${service}`, `--engine=${engine}`, `--namespace=${options.namespace ?? 'default'}`],
  ...(options.version ? [`--version=${options.version}`] : []),
  ...(options.flags ?? []),
];

export const openBench = async (engine: Engine): Promise<Bench> => {
  const mesh = await startMesh({ engine, flags: ['--no-demo'] });
  const client = mesh.client();
  const freePort = () => findFreePort('127.0.0.1');
  const programs: Running[] = [];
  const run = (...args: string[]): Running => {
    const running = mesh.start(...args);
    programs.push(running);
    return running;
  };

  const serve: Bench['serve'] = async (service, name, options = {}) => {
    const ports = options.ports ?? { http: await freePort() };
    const program = [
      'node',
      join(PROGRAMS, 'echo.mjs'),
      name,
      String(ports.http),
      ...(ports.tcp ? [String(ports.tcp)] : []),
    ];
    const running = run(...runFlags(engine, service, options), ...portFlags(ports), '--', ...program);
    await until(`${name} to be in the mesh`, () =>
      / is in the mesh as /.test(running.stderr() + running.stdout()),
    ).catch((cause) => {
      throw new Error(`${name}: ${running.stdout()}${running.stderr()}`, { cause });
    });
    return running;
  };

  const joinMesh: Bench['join'] = async (service, options = {}) => {
    const program = ['node', join(PROGRAMS, 'member.mjs')];
    const running = run(...runFlags(engine, service, options), '--', ...program);
    const line = await until(`${service} to start`, () => /^\{.*\}$/m.exec(running.stdout())?.[0]).catch((cause) => {
      throw new Error(`${service}: ${running.stdout()}${running.stderr()}`, { cause });
    });
    const own = JSON.parse(line) as NodeJS.ProcessEnv;
    const port = Number(new URL(own.HTTP_PROXY ?? '').port);
    const callUrl: Caller['call'] = (url, { headers, ...rest } = {}) =>
      call(port, url, { ...rest, headers: { host: new URL(url).host, ...headers } });
    return { port, env: { ...mesh.env, ...own }, call: callUrl };
  };

  const flows = run('flows', '-o', 'json', '--limit', '1000', '--all');
  const flow: Bench['flow'] = async (what, test) => {
    const events = () =>
      flows
        .stdout()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as TrafficEvent);
    return until(`a flow: ${what}`, () => events().find(test), FLOW_LIMIT_MS).catch(() => {
      const seen = events()
        .slice(-8)
        .map((event) => JSON.stringify(event));
      throw new Error(`no flow: ${what}; the last ones:\n${seen.join('\n')}`);
    });
  };

  return {
    engine,
    mesh,
    client,
    freePort,
    apply: async (...documents) => {
      for (const resource of resourcesOf(documents)) await applyOne(client, resource);
    },
    remove: async (...documents) => {
      for (const resource of resourcesOf(documents)) await removeOne(client, resource);
    },
    get: (apiVersion, kind, name, namespace = 'default') => {
      const type = requireKind(apiVersion, kind);
      return client.get(type, name, type.namespaced ? { namespace } : {});
    },
    serve,
    join: joinMesh,
    flow,
    stop: async () => {
      for (const { child } of programs) child.kill('SIGINT');
      await Promise.all(programs.map(({ finished }) => finished));
      await mesh.stop();
    },
  };
};
