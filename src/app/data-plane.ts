// One data-plane process that takes its orders from a control plane: identity, engine, xDS, presence, events.
// Run by `weft proxy`, which `weft up` and `weft run` start.
import { openSvidSource, type RenewedSvidSource } from '../ca/svid-source.ts';
import { type Clock, pause, systemClock } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { type LocalPort, nodeId, type ProxyNode, type SocketAddress } from '../model/node.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Dns } from '../proxy/dns/dns.ts';
import { openXdsClient, type XdsClient } from '../xds/client.ts';
import { isRunning } from './data-dir.ts';
import { announceEnd, type DrainSettings, drainTimeOf } from './drain.ts';
import { endStart } from './end-of-start.ts';
import { type Engine, openWeftDataPlane } from './engines.ts';
import { findLostProgram } from './lost-program.ts';
import { findMembership, type Membership, type MembershipOptions } from './membership.ts';
import { type DnsSettings, type MeshDns, openMeshDns } from './mesh-dns.ts';
import type { Concurrency } from './own-proxy.ts';
import { openProbe, type Probe } from './probe.ts';
import { announceFailure, announceReady, onEnd, tellParent } from './process.ts';
import type { AdminSettings } from './proxy-admin.ts';
import { openReadiness, type Readiness } from './readiness.ts';
import type { ProxyCommand, WorkloadMessage } from './run.ts';

export interface ProxyOptions extends MembershipOptions, AdminSettings, DnsSettings {
  readonly role: 'sidecar' | 'gateway';
  readonly engine: 'weft' | 'envoy';
  readonly envoy?: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: Readonly<Record<string, number>>;
  readonly localPorts: readonly LocalPort[];
  readonly appAddress: string;
  readonly inbound?: SocketAddress;
  /** At the address of `inbound`. */
  readonly hbonePort?: number;
  readonly outbound?: SocketAddress;
  readonly gateway?: string;
  readonly bindAddress: string;
  readonly locality?: string;
  readonly concurrency?: Concurrency;
  readonly drain?: DrainSettings;
  /** Of `/healthz/ready`; absent: a gateway takes 15021, or any free one where that is taken, a sidecar has none. */
  readonly readyPort?: number;
}

/** Between leaving the mesh and refusing connections: callers hear of it in this time. */
const LEAVE_MS = 200;
const PROGRAM_GRACE_MS = 5_000;

const nodeOf = (options: ProxyOptions, captureBlock?: number): ProxyNode => {
  const { role, name, namespace, inbound, hbonePort, outbound, gateway, locality } = options;
  const address = inbound?.address ?? options.bindAddress;
  return {
    id: nodeId(role, address, name, namespace),
    role,
    engine: options.engine,
    name,
    namespace,
    serviceAccount: options.serviceAccount,
    labels: options.labels,
    ports: options.ports,
    localPorts: options.localPorts,
    appAddress: options.appAddress,
    ...(inbound && { inbound }),
    ...(inbound && hbonePort !== undefined && { hbone: { address: inbound.address, port: hbonePort } }),
    ...(outbound && { outbound }),
    ...(captureBlock !== undefined && { captureBlock }),
    ...(gateway && { gateway }),
    ...(role === 'gateway' && { bindAddress: options.bindAddress }),
    ...(locality && { locality }),
  };
};

/** The workload's program, which must not outlive its place in the mesh. */
const endProgram = async (pid: number, clock: Clock): Promise<void> => {
  if (!isRunning(pid)) return;
  process.kill(pid, 'SIGTERM');
  const end = clock.monotonic() + PROGRAM_GRACE_MS;
  while (isRunning(pid) && clock.monotonic() < end) await pause(clock, 50);
  if (isRunning(pid)) process.kill(pid, 'SIGKILL');
};

class DataPlane {
  readonly #options: ProxyOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #node: ProxyNode;
  readonly #svid: RenewedSvidSource;
  readonly #engine: Engine;
  readonly #xds: XdsClient;
  readonly #dns: Dns | undefined;
  #probe: Probe | undefined;
  #readiness: Readiness | undefined;
  #program: number | undefined;
  #left: Promise<void> | undefined;

  constructor(
    options: ProxyOptions,
    membership: Membership,
    svid: RenewedSvidSource,
    engine: Engine,
    names: MeshDns | undefined,
    log: Log,
  ) {
    this.#options = options;
    this.#log = log;
    this.#clock = systemClock;
    this.#dns = names?.dns;
    this.#node = { ...nodeOf(options, names?.captureBlock), admin: engine.admin };
    this.#svid = svid;
    this.#engine = engine;
    const { apply } = engine;
    const take = async (snapshot: Snapshot) => {
      const problems = (await apply?.(snapshot)) ?? [];
      // After its listeners: what a name leads to is there by then.
      names?.dns.update(snapshot.names ?? new Map());
      return problems;
    };
    this.#xds = openXdsClient({
      address: membership.control,
      tls: () => {
        const { chainPem, keyPem } = svid.current();
        return { caPem: membership.rootPem, own: { chainPem, keyPem } };
      },
      node: this.#node,
      clock: this.#clock,
      random: systemRandom,
      log: log.child('xds'),
      namesOnly: !apply,
      ...((apply || names) && { onSnapshot: take }),
    });
    this.#xds.setHealth(options.role === 'gateway', 'the program has not answered yet');
  }

  /** Serves, and from then on reports how the program is. */
  async start(): Promise<void> {
    const { role, readyPort, bindAddress } = this.#options;
    if (role === 'gateway' || readyPort !== undefined) {
      this.#readiness = await openReadiness({
        address: bindAddress,
        port: readyPort,
        isReady: () => this.#engine.isReady(),
        clock: this.#clock,
        log: this.#log,
      });
    }
    await this.#engine.ready;
    endStart('proxy');
    if (this.#dns) {
      const { address, port } = this.#dns;
      tellParent({ type: 'dns', address, port } satisfies WorkloadMessage);
    }
    announceReady({ name: this.#node.name });
    if (this.#options.role === 'sidecar') this.#watchProgram();
  }

  #watchProgram(): void {
    const { appAddress, ports } = this.#options;
    const [port] = Object.values(ports);
    const report = (healthy: boolean, message = '') => {
      this.#xds.setHealth(healthy, message);
      tellParent({ type: 'health', healthy, message } satisfies WorkloadMessage);
    };
    // A program without a port only calls others.
    if (port === undefined) report(true);
    else this.#probe = openProbe({ address: appAddress, port, clock: this.#clock, onChange: report });
  }

  /** A request could not be passed on to the program. */
  suspectProgram(): void {
    this.#probe?.suspect();
  }

  async obey(command: ProxyCommand): Promise<void> {
    if (command.type === 'app') this.#program = command.pid;
    else {
      await this.#leave();
      tellParent({ type: 'drained' } satisfies WorkloadMessage);
    }
  }

  #leave(): Promise<void> {
    this.#left ??= this.#leaveOnce();
    return this.#left;
  }

  async #leaveOnce(): Promise<void> {
    const { role, drain = {} } = this.#options;
    this.#probe?.close();
    // Callers of a workload hear of it from the control plane; those of a gateway by its readiness.
    if (role === 'sidecar') this.#xds.close();
    await announceEnd(this.#engine, drain, this.#readiness, this.#clock);
    this.#xds.close();
    await pause(this.#clock, LEAVE_MS);
    await this.#engine.drain(drainTimeOf(role, drain));
    await this.#readiness?.close();
  }

  async end(reason: 'signal' | 'parent'): Promise<void> {
    this.#log.info(reason === 'parent' ? 'the supervisor is gone, ending' : 'ending');
    await this.#leave();
    // After its requests have ended. With `weft run` alive the program is that one's to end.
    if (reason === 'parent') {
      const { outbound } = this.#options;
      const program = this.#program ?? (outbound && findLostProgram(outbound));
      if (program) await endProgram(program, this.#clock);
    }
    await this.#engine.close();
    await this.#dns?.close();
    this.#svid.close();
  }
}

const openDataPlane = async (options: ProxyOptions, ended: Promise<unknown>, log: Log): Promise<DataPlane> => {
  const membership = findMembership(options);
  const svid = openSvidSource({
    address: membership.control,
    rootPem: membership.rootPem,
    namespace: options.namespace,
    serviceAccount: options.serviceAccount,
    joinToken: membership.joinToken,
    clock: systemClock,
    random: systemRandom,
    log: log.child('ca'),
  });
  // Whoever is told to end must not go on waiting for a control plane that does not answer.
  let isReady = false;
  void ended.then(() => isReady || svid.close());
  await svid.ready;
  isReady = true;
  const names = options.role === 'sidecar' ? await openMeshDns(options, options, log.child('dns')) : undefined;
  const node = nodeOf(options, names?.captureBlock);
  const isEnvoy = options.engine === 'envoy';
  const open = isEnvoy ? (await import('./engine-envoy.ts')).openEnvoyDataPlane : openWeftDataPlane;
  let plane: DataPlane | undefined;
  const onUnreachable = () => plane?.suspectProgram();
  const { envoy, adminPort, logLevel, concurrency } = options;
  const engine = await open({
    node,
    membership,
    svid,
    envoy,
    onUnreachable,
    adminPort,
    logLevel,
    concurrency,
    dns: names?.dns,
    log,
  });
  plane = new DataPlane(options, membership, svid, engine, names, log);
  return plane;
};

/** Runs until it is told to end; answers the exit code. */
export const runProxy = async (options: ProxyOptions, log: Log): Promise<number> => {
  const ended = Promise.withResolvers<'signal' | 'parent'>();
  onEnd(ended.resolve);
  let plane: DataPlane | undefined;
  try {
    const opening = openDataPlane(options, ended.promise, log);
    plane = await Promise.race([opening, ended.promise.then(() => undefined)]);
    if (!plane) {
      await opening.then(
        (late) => late.end('signal'),
        () => {},
      );
      return 0;
    }
    const running = plane;
    process.on('message', (command: ProxyCommand) => void running.obey(command));
    await Promise.race([running.start(), ended.promise]);
  } catch (error) {
    // The parent tells it to the user.
    if (isWeftError(error) && (await announceFailure(error))) return 1;
    throw error;
  }
  await plane.end(await ended.promise);
  return 0;
};
