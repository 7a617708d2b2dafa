// Snapshot → what the proxy runs on: routers, policies, chains. Equal parts are taken over as they are. Called by proxy.ts.
import { isDeepStrictEqual } from 'node:util';
import { prepareLogLine, type RequestFacts } from '../filters/access-log/proxy.ts';
import { messageOf, WeftError } from '../lib/errors.ts';
import type { Problem } from '../model/problem.ts';
import {
  type FilterChain,
  type HboneHandler,
  type HttpHandler,
  isTlsSecret,
  type Listener,
  type RouteTable,
  type Snapshot,
  type TerminateTls,
  type TlsSecret,
  type ValidationSecret,
  type VirtualHost,
} from '../model/snapshot.ts';
import { type Authorization, prepareAuthorization } from '../policy/authorization.ts';
import type { ProxyContext } from './context.ts';
import { ChainRef, type LiveChain, type Prepared, type PreparedHbone, type PreparedTunnel } from './listen/chain.ts';
import { prepareRoutes, type Router } from './routes/router.ts';
import {
  type MeshTerminator,
  meshTerminator,
  type ServerPlan,
  type ServerTerminator,
  serverTerminator,
} from './tls/terminate.ts';
import type { Clusters } from './upstream/clusters.ts';
import { prepareWeightedPick } from './upstream/weighted-choice.ts';

export interface PreparedTable {
  readonly table: RouteTable;
  readonly router: Router;
  readonly tunnels: ReadonlyMap<string, PreparedTunnel>;
}

const ALPN: Readonly<Record<Prepared['type'], readonly string[]>> = {
  http: ['h2', 'http/1.1'],
  hbone: ['h2'],
  tcp: [],
  udp: [],
};

const EMPTY_TABLE = (name: string): RouteTable => ({ name, virtualHosts: [], tunnels: [] });

const isByHost = ({ table }: Router): boolean =>
  table.virtualHosts.some(({ authorization }) => authorization !== undefined);

/** By virtual host: prepared once in its life. */
const ofHosts = new WeakMap<VirtualHost, Authorization>();

/** `others` decides where a virtual host has no policies of its own. */
const byHost = (router: Router, others: Authorization | undefined): Authorization | undefined => {
  if (!isByHost(router)) return others;
  for (const host of router.table.virtualHosts) {
    if (host.authorization && !ofHosts.has(host)) ofHosts.set(host, prepareAuthorization(host.authorization, 'http'));
  }
  const rest = others ?? prepareAuthorization([], 'http');
  return (facts) => {
    const host = facts.head && router.virtualHost(facts.head.host);
    return ((host && ofHosts.get(host)) ?? rest)(facts);
  };
};

const problemOf = (error: unknown, path: string): Problem => {
  const code = error instanceof WeftError ? error.code : 'CONFIG_INVALID';
  const hint = error instanceof WeftError ? error.hint : undefined;
  return { code, severity: 'error', message: messageOf(error), path, ...(hint !== undefined && { hint }) };
};

export class Preparation {
  readonly problems: Problem[] = [];
  readonly tables = new Map<string, PreparedTable>();
  readonly #context: ProxyContext;
  readonly #clusters: Clusters;
  readonly #snapshot: Snapshot;

  constructor(
    context: ProxyContext,
    clusters: Clusters,
    snapshot: Snapshot,
    before: ReadonlyMap<string, PreparedTable>,
  ) {
    this.#context = context;
    this.#clusters = clusters;
    this.#snapshot = snapshot;
    for (const table of snapshot.routes.values()) this.#prepareTable(table, before.get(table.name));
  }

  #prepareTable(table: RouteTable, before: PreparedTable | undefined): void {
    if (before?.table === table) {
      this.tables.set(table.name, before);
      return;
    }
    try {
      const router = prepareRoutes(table, this.#context, before?.router);
      this.problems.push(...router.problems);
      const tunnels = new Map<string, PreparedTunnel>();
      for (const tunnel of table.tunnels) {
        const prepared = { tunnel, pick: prepareWeightedPick(tunnel.targets, this.#context.random) };
        for (const authority of tunnel.authorities) tunnels.set(authority, prepared);
      }
      this.tables.set(table.name, { table, router, tunnels });
    } catch (error) {
      this.problems.push(problemOf(error, table.name));
      if (before) this.tables.set(table.name, before);
    }
  }

  /** The chains of a listener; one that can't be prepared stays as it was, or takes no connections. */
  chains(listener: Listener, before: readonly LiveChain[]): LiveChain[] {
    const live: LiveChain[] = [];
    for (const chain of listener.chains) {
      const old = before.find((candidate) => candidate.chain.name === chain.name);
      try {
        live.push(this.#prepareChain(listener, chain, old));
      } catch (error) {
        this.problems.push(problemOf(error, `${listener.name}/${chain.name}`));
        if (old) live.push(old);
      }
    }
    return live;
  }

  #prepareChain(listener: Listener, chain: FilterChain, old: LiveChain | undefined): LiveChain {
    const prepared = this.#prepareHandler(listener, chain, old?.ref.current);
    const terminator = this.#prepareTerminator(chain, old);
    // The same chain goes on for its open connections.
    if (old && old.ref.current.type === prepared.type && old.chain.tls?.mode === chain.tls?.mode) {
      return { chain, ref: old.ref, terminator, next: prepared };
    }
    return { chain, ref: new ChainRef(prepared), terminator, next: prepared };
  }

  #prepareHandler(listener: Listener, chain: FilterChain, old: Prepared | undefined): Prepared {
    const { handler } = chain;
    const { direction, port } = listener;
    const cluster = (name: string) => this.#clusters.get(name);
    if ((handler.type === 'udp') !== (listener.transport === 'udp') || (listener.transport === 'udp' && chain.tls))
      throw new WeftError('CONFIG_INVALID', `a handler for ${handler.type} does not fit this listener`);
    if (handler.type === 'udp')
      return {
        type: 'udp',
        handler,
        direction,
        pick: prepareWeightedPick(handler.targets, this.#context.random),
        cluster,
      };
    if (handler.type === 'hbone')
      return { type: 'hbone', handler, direction, ports: this.#innerChains(listener, handler, old) };
    const keeps =
      old !== undefined &&
      old.type !== 'udp' &&
      old.type !== 'hbone' &&
      old.handler.authorization === handler.authorization &&
      !(old.type === 'http' && isByHost(old.router));
    const protocol = handler.type;
    const authorize: Authorization | undefined = keeps
      ? old.authorize
      : handler.authorization.length > 0
        ? prepareAuthorization(handler.authorization, protocol)
        : undefined;
    if (handler.type === 'tcp') {
      const pick = prepareWeightedPick(handler.targets, this.#context.random);
      const policyPort = this.#workloadPort(direction, handler.targets[0]?.cluster) ?? port;
      return { type: 'tcp', handler, direction, pick, authorize, policyPort, cluster };
    }
    const found = this.tables.get(handler.routes);
    const table = found?.table ?? EMPTY_TABLE(handler.routes);
    const router = found?.router ?? prepareRoutes(table, this.#context);
    const policyPort = this.#workloadPort(direction, firstCluster(table)) ?? port;
    const tunnels = found?.tunnels ?? new Map();
    const authorizeHost = byHost(router, authorize);
    const writeLogs = this.#prepareLogs(handler);
    const rest = { tunnels, policyPort, listenerPort: port, cluster, writeLogs };
    return { type: 'http', handler, direction, router, authorize: authorizeHost, ...rest };
  }

  #prepareLogs({ accessLogs }: HttpHandler): ((facts: RequestFacts) => void) | undefined {
    const { onLogLine } = this.#context;
    if (!accessLogs || !onLogLine) return undefined;
    const logs = accessLogs.map(({ path, format }) => ({ path, line: prepareLogLine(format) }));
    return (facts) => {
      for (const { path, line } of logs) onLogLine(path, line(facts));
    };
  }

  #innerChains(listener: Listener, handler: HboneHandler, old: Prepared | undefined): PreparedHbone['ports'] {
    const before = old?.type === 'hbone' ? old.ports : undefined;
    return new Map(
      handler.ports.map(({ port, chains }) => [
        port,
        this.chains({ ...listener, name: `${listener.name}/${port}`, port, chains }, before?.get(port) ?? []),
      ]),
    );
  }

  /** Inbound, policies name the port of the program, to which the chain's cluster leads. */
  #workloadPort(direction: Listener['direction'], clusterName: string | undefined): number | undefined {
    if (direction !== 'inbound' || clusterName === undefined) return undefined;
    const discovery = this.#snapshot.clusters.get(clusterName)?.discovery;
    return discovery?.type === 'static' ? discovery.endpoints[0]?.port : undefined;
  }

  #prepareTerminator(chain: FilterChain, old: LiveChain | undefined): MeshTerminator | ServerTerminator | undefined {
    const { tls } = chain;
    if (!tls) return undefined;
    const before = old?.terminator;
    const alpn = ALPN[chain.handler.type];
    if (tls.mode === 'mesh') {
      if (before?.mode === 'mesh' && isDeepStrictEqual(before.alpn, alpn)) return before;
      const { svid } = this.#context;
      if (!svid)
        throw new WeftError('NO_IDENTITY', 'a chain for mesh peers needs an identity, and this proxy has none');
      return meshTerminator(this.#context, svid, alpn);
    }
    const plan = this.#serverPlan(chain.name, tls, alpn);
    if (before?.mode !== 'terminate') return serverTerminator(this.#context, plan);
    before.update(plan);
    return before;
  }

  #serverPlan(chain: string, tls: TerminateTls, alpn: readonly string[]): ServerPlan {
    const secrets: TlsSecret[] = [];
    for (const name of tls.secrets) {
      const secret = this.#snapshot.secrets.get(name);
      if (secret && isTlsSecret(secret)) secrets.push(secret);
      else this.problems.push(problemOf(missingCertificate(name), chain));
    }
    const wanted = tls.clientValidation?.secret;
    const authorities = wanted === undefined ? undefined : this.#snapshot.secrets.get(wanted);
    // Without them nobody could be let in, or anybody would be.
    if (wanted !== undefined && (!authorities || isTlsSecret(authorities))) throw missingCertificate(wanted);
    return { tls, secrets, authorities: authorities as ValidationSecret | undefined, alpn };
  }
}

const missingCertificate = (name: string): WeftError =>
  new WeftError('CERTIFICATE_MISSING', `there is no certificate ${name}`);

const firstCluster = (table: RouteTable): string | undefined => {
  for (const { routes } of table.virtualHosts) {
    for (const { action } of routes)
      if (action.type === 'forward' && action.targets[0]) return action.targets[0].cluster;
  }
  return undefined;
};
