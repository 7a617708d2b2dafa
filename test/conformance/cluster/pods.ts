// Runs the Pods of Deployments, as their controller and the kubelet of a cluster do together. Opened by the harness.
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Client } from '../../../src/client/client.ts';
import { configMap } from '../../../src/kinds/config-map/schema.ts';
import { type DeploymentSpec, deployment } from '../../../src/kinds/deployment/schema.ts';
import { pod } from '../../../src/kinds/pod/schema.ts';
import { secret } from '../../../src/kinds/secret/schema.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { keyOf, openLoop, openMirror, unless } from './mirror.ts';
import { NODE_ADDRESS, NODE_NAME } from './node.ts';
import { type PodProcess, startPod } from './pod-process.ts';

export interface Pods {
  /** The running ones, by `namespace/name`. */
  readonly running: ReadonlyMap<string, PodProcess>;
  readonly ready: Promise<unknown>;
}

export interface PodsOptions {
  readonly client: Client;
  /** For volumes. */
  readonly folder: string;
  /** What images stand for: every Pod of the suite runs the echo program. */
  readonly program: string;
  readonly signal: AbortSignal;
}

const hashOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 10);

const ownerOf = ({ metadata }: Resource): string | undefined =>
  (metadata as { ownerReferences?: readonly { uid: string }[] }).ownerReferences?.[0]?.uid;

const podOf = (owner: Resource): Resource => {
  const { template } = owner.spec as DeploymentSpec;
  const hash = hashOf(template);
  const { name, namespace, uid } = owner.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${name}-${hash}-${randomBytes(3).toString('hex')}`,
      namespace,
      labels: { ...template.metadata?.labels, 'pod-template-hash': hash },
      ownerReferences: [{ apiVersion: owner.apiVersion, kind: owner.kind, name, uid, controller: true }],
    } as Resource['metadata'],
    spec: { ...template.spec, nodeName: NODE_NAME },
  };
};

const readyStatus = (resource: Resource, { address }: PodProcess) => {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const { containers } = resource.spec as { containers: readonly { name: string; image?: string }[] };
  return {
    phase: 'Running',
    podIP: address,
    podIPs: [{ ip: address }],
    hostIP: NODE_ADDRESS,
    startTime: now,
    conditions: ['Initialized', 'PodScheduled', 'ContainersReady', 'Ready'].map((type) => ({
      type,
      status: 'True',
      lastTransitionTime: now,
    })),
    containerStatuses: containers.map(({ name, image = '' }) => ({
      name,
      image,
      imageID: image,
      ready: true,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: now } },
    })),
  };
};

export const openPods = ({ client, folder, program, signal }: PodsOptions): Pods => {
  const running = new Map<string, PodProcess>();
  let number = 0;
  const onChange = openLoop(async () => {
    await scale();
    await runPods();
    await tell();
  });
  const deployments = openMirror(client, deployment, { signal, onChange });
  const pods = openMirror(client, pod, { signal, onChange });
  const secrets = openMirror(client, secret, { signal, onChange });
  const configMaps = openMirror(client, configMap, { signal, onChange });
  const ready = Promise.all([deployments, pods, secrets, configMaps].map((mirror) => mirror.ready));

  const ownPods = (owner: Resource) => [...pods.items.values()].filter((one) => ownerOf(one) === owner.metadata.uid);

  /** As many Pods as each Deployment wants, of its present template. */
  const scale = async () => {
    await ready;
    const owners = new Set([...deployments.items.values()].map(({ metadata }) => metadata.uid));
    for (const one of pods.items.values()) {
      const owner = ownerOf(one);
      if (owner !== undefined && !owners.has(owner)) await remove(one);
    }
    for (const owner of deployments.items.values()) {
      const { replicas, template } = owner.spec as DeploymentSpec;
      const hash = hashOf(template);
      const [fresh, stale] = [[] as Resource[], [] as Resource[]];
      for (const one of ownPods(owner)) (one.metadata.labels?.['pod-template-hash'] === hash ? fresh : stale).push(one);
      for (const one of [...stale, ...fresh.slice(replicas)]) await remove(one);
      for (let missing = replicas - fresh.length; missing > 0; missing--) {
        const { resource } = await client.create(pod, podOf(owner));
        // The watch tells of it later; until then it must not be counted as missing.
        (pods.items as Map<string, Resource>).set(keyOf(resource), resource);
      }
    }
  };

  const remove = async (one: Resource) => {
    const { name, namespace } = one.metadata;
    await unless('API_NOT_FOUND', client.delete(pod, name, { namespace }));
    (pods.items as Map<string, Resource>).delete(keyOf(one));
  };

  const runPods = async () => {
    for (const [key, process] of running) {
      if (pods.items.has(key)) continue;
      process.stop();
      running.delete(key);
    }
    for (const [key, one] of pods.items) {
      if (running.has(key)) continue;
      const started = startPod({
        pod: one,
        number: number++,
        folder: join(folder, `${number}`),
        program,
        secretOf: (name) => secrets.items.get(name),
        configMapOf: (name) => configMaps.items.get(name),
      });
      if (!started) continue;
      running.set(key, started);
      void started.started.then(() => setReady(one, started));
    }
  };

  const setReady = async (one: Resource, process: PodProcess) => {
    const { name, namespace } = one.metadata;
    const target = { name, namespace, subresource: 'status' } as const;
    await unless('API_NOT_FOUND', client.patch(pod, target, { status: readyStatus(one, process) })).catch(
      console.error,
    );
  };

  /** The Deployments' own statuses. */
  const tell = async () => {
    for (const owner of deployments.items.values()) {
      const own = ownPods(owner);
      const up = own.filter(({ status }) => (status as { phase?: string } | undefined)?.phase === 'Running').length;
      const before = (owner.status ?? {}) as { observedGeneration?: number; readyReplicas?: number };
      if (before.observedGeneration === owner.metadata.generation && before.readyReplicas === up) continue;
      const status = {
        observedGeneration: owner.metadata.generation,
        replicas: own.length,
        readyReplicas: up,
        updatedReplicas: own.length,
        availableReplicas: up,
      };
      const { name, namespace } = owner.metadata;
      await unless('API_NOT_FOUND', client.patch(deployment, { name, namespace, subresource: 'status' }, { status }));
    }
  };

  return { running, ready };
};
