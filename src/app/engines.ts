// The two engines behind one interface: Weft's own proxy in this process, or an Envoy that this process looks after, see
// engine-envoy.ts. Opened by data-plane.ts.
import type { RenewedSvidSource } from '../ca/svid-source.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { openRateLimitClient } from '../limits/client.ts';
import type { ProxyNode, SocketAddress } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { openEventSender } from '../telemetry/sender.ts';
import type { Drainable } from './drain.ts';
import type { Membership } from './membership.ts';
import { type Concurrency, drainableOf, openOwnProxy } from './own-proxy.ts';
import { type AdminSettings, openProxyAdmin } from './proxy-admin.ts';

/** What moves the bytes of one data-plane process. */
export interface Engine extends Drainable {
  /** Takes a snapshot; absent where the engine has its configuration from the control plane itself. */
  readonly apply?: (snapshot: Snapshot) => Promise<readonly Problem[]>;
  /** When it serves its first configuration. */
  readonly ready: Promise<void>;
  /** Where its admin interface answers. */
  readonly admin: SocketAddress;
  close(): Promise<void>;
}

export interface EngineOptions extends AdminSettings {
  readonly node: ProxyNode;
  readonly membership: Membership;
  readonly svid: RenewedSvidSource;
  /** Where Envoy's binary is, if the user said so. */
  readonly envoy: string | undefined;
  /** A request came for the workload's program, and it could not be reached. Called by the own engine alone. */
  readonly onUnreachable?: () => void;
  readonly concurrency?: Concurrency | undefined;
  readonly log: Log;
}

/** Tells of parts of a configuration that could not be used, each once; what was there before goes on. */
const problemTeller = (log: Log) => {
  let known = new Set<string>();
  return (problems: readonly Problem[]): void => {
    const current = new Set(problems.map(problemId));
    for (const problem of problems) if (!known.has(problemId(problem))) tellProblem(problem, log);
    if (known.size > 0 && current.size === 0) log.info('all of the configuration is in use');
    known = current;
  };
};

const problemId = ({ code, path = '', message }: Problem): string => `${code} ${path} ${message}`;

const tellProblem = ({ code, severity, message, path, hint }: Problem, log: Log): void => {
  const fields = { code, ...(path && { at: path }), ...(hint && { try: hint }) };
  if (severity === 'error') log.error(message, fields);
  else log.warn(message, fields);
};

/** Weft's own proxy, fed by the xDS client of this process; its events go to the control plane. */
export const openWeftDataPlane = async ({
  node,
  membership,
  svid,
  onUnreachable,
  concurrency,
  log,
  ...settings
}: EngineOptions): Promise<Engine> => {
  const sender = openEventSender({
    node,
    clock: systemClock,
    random: systemRandom,
    address: membership.control,
    tls: () => {
      const { chainPem, keyPem } = svid.current();
      return { caPem: membership.rootPem, own: { chainPem, keyPem } };
    },
    log: log.child('events'),
  });
  const tls = () => {
    const { chainPem, keyPem } = svid.current();
    return { caPem: membership.rootPem, own: { chainPem, keyPem } };
  };
  const rateLimits = openRateLimitClient(membership.control, tls, systemClock);
  const tell = problemTeller(log);
  const { proxy, logLevel, closeLogs } = await openOwnProxy({
    node,
    svid,
    events: sender,
    askRateLimit: rateLimits.ask,
    onUnreachable,
    concurrency,
    log: log.child('proxy'),
    logLevel: settings.logLevel,
  });
  const close = async () => {
    await proxy.close();
    await closeLogs();
    rateLimits.close();
    await sender.close(500);
  };
  const admin = await openProxyAdmin(proxy, { ...settings, logLevel }, log).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    admin: { address: admin.address, port: admin.port },
    apply: async (snapshot) => {
      const problems = await proxy.apply(snapshot);
      tell(problems);
      return problems;
    },
    ready: proxy.ready,
    ...drainableOf(proxy),
    close: async () => {
      await close();
      await admin.close();
    },
  };
};
