// A control plane that only speaks xDS: the real server behind the real gRPC servers, with snapshots that tests publish.
import { generateKeyPairSync } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Authority, openAuthority } from '../../src/ca/authority.ts';
import { makeCsr } from '../../src/ca/csr.ts';
import { openGrpcServer } from '../../src/grpc/server.ts';
import { type GrpcService, peerOf } from '../../src/grpc/service.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type Log, silentLog } from '../../src/lib/log.ts';
import type { Svid } from '../../src/model/identity.ts';
import { nodeId, type ProxyNode } from '../../src/model/node.ts';
import type { Snapshot, SnapshotFeed } from '../../src/model/snapshot.ts';
import type { ProxySession, ProxySessions, XdsServerOptions } from '../../src/xds/server.ts';
import { openXdsServer, type XdsServer } from '../../src/xds/server.ts';

export const TRUST_DOMAIN = 'cluster.local';

const emptySnapshot: Snapshot = {
  revision: 1,
  listeners: new Map(),
  routes: new Map(),
  clusters: new Map(),
  endpoints: new Map(),
  secrets: new Map(),
};

export const proxyNode = (rest: Partial<ProxyNode> = {}): ProxyNode => {
  const { role = 'sidecar', name = 'reviews-1', namespace = 'shop' } = rest;
  return {
    id: nodeId(role, '127.0.0.1', name, namespace),
    role,
    engine: 'weft',
    name,
    namespace,
    serviceAccount: 'reviews',
    labels: { app: 'reviews' },
    localPorts: [],
    ports: {},
    appAddress: '127.0.0.1',
    ...rest,
  };
};

/** Hands out one snapshot to every node until another is published. */
export class TestFeed implements SnapshotFeed {
  readonly #listeners = new Set<() => void>();
  #snapshot: Snapshot = emptySnapshot;

  current(): Snapshot {
    return this.#snapshot;
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(snapshot: Partial<Snapshot>): void {
    this.#snapshot = { ...this.#snapshot, revision: this.#snapshot.revision + 1, ...snapshot };
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Emits `open`, `health`, `close`, each with the workload's name; `refuse` makes the next joins fail. */
export class TestSessions extends EventEmitter implements ProxySessions {
  refuse: Error | undefined;
  readonly present = new Set<string>();

  async open(node: ProxyNode): Promise<ProxySession> {
    if (this.refuse) throw this.refuse;
    this.present.add(node.name);
    this.emit('open', node.name);
    return {
      setHealth: (healthy, message) => this.emit('health', node.name, healthy, message),
      close: () => {
        this.present.delete(node.name);
        this.emit('close', node.name);
      },
    };
  }

  /** The arguments of the next event. */
  next(event: 'open' | 'health' | 'close'): Promise<unknown[]> {
    return once(this, event);
  }
}

export interface XdsPlane {
  readonly feed: TestFeed;
  readonly sessions: TestSessions;
  readonly authority: Authority;
  /** The server of now; another one after `restart`. */
  xds: XdsServer;
  /** `127.0.0.1:<port>`, in plain text and behind mutual TLS; the same after `restart`. */
  readonly plaintext: string;
  readonly mutual: string;
  /** An SVID of the mesh. */
  svid(namespace: string, serviceAccount: string): Svid;
  stop(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const openXdsPlane = async (
  options: { log?: Log; services?: readonly GrpcService[]; checkRole?: XdsServerOptions['checkRole'] } = {},
): Promise<XdsPlane> => {
  const { log = silentLog, services = [], checkRole = async () => {} } = options;
  const dir = mkdtempSync(join(tmpdir(), 'weft-xds-'));
  const authority = openAuthority({ dir, trustDomain: TRUST_DOMAIN, clock: systemClock, log });
  const names = { dnsNames: ['control.test'], ipAddresses: ['127.0.0.1'] };
  const identity = { ...authority.serverCertificate(names), bundlePem: authority.bundlePem };
  const [feed, sessions] = [new TestFeed(), new TestSessions()];
  const open = async (plainAddress: string, mutualAddress: string) => {
    const xds = openXdsServer({
      feed,
      sessions,
      peerOf,
      trustDomain: TRUST_DOMAIN,
      checkRole,
      log,
      clock: systemClock,
    });
    const plain = await openGrpcServer(plainAddress, [xds.plaintext]);
    const mutual = await openGrpcServer(mutualAddress, [xds.authenticated, ...services], identity);
    mutual.replaceIdentity(identity);
    return { xds, plain, mutual };
  };
  let servers = await open('127.0.0.1:0', '127.0.0.1:0');
  const [plaintext, mutual] = [servers.plain.address, servers.mutual.address];
  const plane: XdsPlane = {
    feed,
    sessions,
    authority,
    xds: servers.xds,
    plaintext,
    mutual,
    svid(namespace, serviceAccount) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      const spiffeId = `spiffe://${TRUST_DOMAIN}/ns/${namespace}/sa/${serviceAccount}`;
      const { chainPem, notBefore, notAfter } = authority.sign(makeCsr(privateKey, spiffeId), { spiffeId });
      const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      return { spiffeId, keyPem, chainPem: chainPem.join(''), bundlePem: authority.bundlePem, notBefore, notAfter };
    },
    async stop() {
      servers.xds.close();
      await Promise.all([servers.plain.close(), servers.mutual.close()]);
    },
    async restart() {
      servers = await open(plaintext, mutual);
      plane.xds = servers.xds;
    },
    async close() {
      await plane.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return plane;
};
