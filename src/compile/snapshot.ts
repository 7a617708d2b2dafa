// snapshotFor: what one proxy must do, cut out of the Mesh. Remembers the last snapshot of each node, so that equal parts are the same objects. Used by compiler.ts.
import { isDeepStrictEqual } from 'node:util';
import { differenceOf } from '../lib/lists.ts';
import type { Mesh } from '../model/mesh.ts';
import type { ProxyNode } from '../model/node.ts';
import type { RouteTable, Snapshot, VirtualHost } from '../model/snapshot.ts';
import { buildGateway } from './gateway-snapshot.ts';
import { keepEqual, keepMap, sameItems } from './keep.ts';
import { openPriorities, type Priorities } from './localities.ts';
import { type Names, openNames } from './names.ts';
import { type Outbound, openOutbound } from './outbound.ts';
import { buildSidecar } from './sidecar.ts';

export interface Snapshots {
  /** The same object until something changes for the node; `revision` is then that of its last change. */
  snapshotFor(mesh: Mesh, node: ProxyNode): Snapshot;
}

interface Memo {
  readonly node: ProxyNode;
  readonly mesh: Mesh;
  readonly snapshot: Snapshot;
  /** Sidecars: what `clusters` was made of. */
  readonly shared?: Snapshot['clusters'];
  readonly own?: Snapshot['clusters'];
}

// Nodes come and go; those not asked for longest are forgotten first, at the cost of one full push.
const MAX_NODES = 20_000;

export const openSnapshots = (): Snapshots => {
  const outboundOf = openOutbound();
  const namesOf = openNames();
  const priorities = openPriorities();
  const memos = new Map<string, Memo>();
  return {
    snapshotFor(mesh, node) {
      const found = memos.get(node.id);
      const before = found && (found.node === node || isDeepStrictEqual(found.node, node)) ? found : undefined;
      if (before && isSameMesh(before.mesh, mesh)) return before.snapshot;
      const outbound = outboundOf(mesh);
      const memo =
        node.role === 'gateway'
          ? gatewayMemo(mesh, node, outbound, priorities, before)
          : sidecarMemo(mesh, node, outbound, namesOf(mesh), priorities, before);
      memos.delete(node.id);
      memos.set(node.id, memo);
      if (memos.size > MAX_NODES) memos.delete(memos.keys().next().value!);
      return memo.snapshot;
    },
  };
};

/** True when nothing but the revision differs. */
const isSameMesh = (a: Mesh, b: Mesh): boolean =>
  a.services === b.services &&
  a.workloads === b.workloads &&
  a.gateways === b.gateways &&
  a.backendTls === b.backendTls &&
  a.backendTraffic === b.backendTraffic &&
  a.policies === b.policies &&
  a.peerModes === b.peerModes;

const gatewayMemo = (
  mesh: Mesh,
  node: ProxyNode,
  outbound: Outbound,
  priorities: Priorities,
  before: Memo | undefined,
): Memo => {
  const built = buildGateway(mesh, node, outbound, before?.snapshot);
  const snapshot = keepSnapshot(before?.snapshot, {
    ...built,
    clusters: keepMap(before?.snapshot.clusters, built.clusters),
    endpoints: keepMap(before?.snapshot.endpoints, priorities.apply(built.endpoints, node.locality)),
  });
  return { node, mesh, snapshot };
};

const sidecarMemo = (
  mesh: Mesh,
  node: ProxyNode,
  outbound: Outbound,
  names: Names,
  priorities: Priorities,
  before: Memo | undefined,
): Memo => {
  const { own: built, ...rest } = buildSidecar(mesh, node, outbound, names);
  const own = keepEqual(before?.own, built);
  const shared = outbound.clusters;
  // The shared part is large: it is put together again only when it or the node's own part changed.
  const merged = before && before.own === own && before.shared === shared ? before.snapshot.clusters : undefined;
  const clusters = merged ?? new Map([...shared, ...own]);
  const endpoints = priorities.apply(rest.endpoints, node.locality);
  const snapshot = keepSnapshot(before?.snapshot, { ...rest, endpoints, clusters });
  return { node, mesh, snapshot, shared, own };
};

type Tables = Snapshot['routes'];

const keepTables = (previous: Tables | undefined, next: Tables): Tables =>
  keepMap(previous, new Map([...next].map(([name, table]) => [name, keepTable(previous?.get(name), table)])));

/** Virtual hosts are kept whole or not at all: what a new one has in common with the last would be copies. */
const keepTable = (before: RouteTable | undefined, next: RouteTable): RouteTable => {
  if (!before) return next;
  const { virtualHosts, ...rest } = next;
  const { virtualHosts: lastHosts, ...lastRest } = before;
  const kept = keepEqual(lastRest, rest);
  const hosts = virtualHosts === lastHosts ? lastHosts : keepHosts(lastHosts, virtualHosts);
  return kept === lastRest && hosts === lastHosts ? before : { ...kept, virtualHosts: hosts };
};

const keepHosts = (before: readonly VirtualHost[], next: readonly VirtualHost[]): readonly VirtualHost[] => {
  const { gone, come } = differenceOf(before, next);
  const byName = new Map(gone.map((host) => [host.name, host]));
  const kept = new Map<VirtualHost, VirtualHost>();
  for (const host of come) {
    const last = byName.get(host.name);
    if (last && keepEqual(last, host) === last) kept.set(host, last);
  }
  const hosts = kept.size > 0 ? next.map((host) => kept.get(host) ?? host) : next;
  return sameItems(before, hosts) ? before : hosts;
};

/** Clusters and endpoints have kept their identity already. */
const keepSnapshot = (previous: Snapshot | undefined, next: Snapshot): Snapshot => {
  const kept: Snapshot = {
    ...next,
    listeners: keepEqual(previous?.listeners, next.listeners),
    routes: keepTables(previous?.routes, next.routes),
    secrets: keepEqual(previous?.secrets, next.secrets),
  };
  const same =
    previous !== undefined &&
    kept.listeners === previous.listeners &&
    kept.routes === previous.routes &&
    kept.clusters === previous.clusters &&
    kept.endpoints === previous.endpoints &&
    kept.secrets === previous.secrets &&
    kept.names === previous.names;
  return same ? previous : kept;
};
