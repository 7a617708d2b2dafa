// The two engines behind one interface: Weft's own proxy in this process, or an Envoy that this process looks after.
import type { RenewedSvidSource } from '../ca/svid-source.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { openProxy } from '../proxy/proxy.ts';
import { openEventSender } from '../telemetry/sender.ts';
import type { Membership } from './membership.ts';

/** What moves the bytes of one data-plane process. */
export interface Engine {
  /** Takes a snapshot; absent where the engine has its configuration from the control plane itself. */
  readonly apply?: (snapshot: Snapshot) => Promise<readonly Problem[]>;
  /** When it serves its first configuration. */
  readonly ready: Promise<void>;
  /** Takes no new connections, lets requests end. */
  drain(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly node: ProxyNode;
  readonly membership: Membership;
  readonly svid: RenewedSvidSource;
  /** Where Envoy's binary is, if the user said so. */
  readonly envoy: string | undefined;
  readonly log: Log;
}

/** Tells of parts of a configuration that could not be used; what was there before goes on. */
export const tellProblems = (problems: readonly Problem[], log: Log): void => {
  for (const { code, severity, message, path, hint } of problems) {
    const fields = { code, ...(path && { at: path }), ...(hint && { try: hint }) };
    if (severity === 'error') log.error(message, fields);
    else log.warn(message, fields);
  }
};

/** Weft's own proxy, fed by the xDS client of this process; its events go to the control plane. */
export const openWeftEngine = async ({ node, membership, svid, log }: EngineOptions): Promise<Engine> => {
  const common = { node, clock: systemClock, random: systemRandom };
  const sender = openEventSender({
    ...common,
    address: membership.control,
    tls: () => {
      const { chainPem, keyPem } = svid.current();
      return { caPem: membership.rootPem, chainPem, keyPem };
    },
    log: log.child('events'),
  });
  const proxy = openProxy({ ...common, svid, onEvent: (event) => sender.send(event), log: log.child('proxy') });
  return {
    apply: async (snapshot) => {
      const problems = await proxy.apply(snapshot);
      tellProblems(problems, log);
      return problems;
    },
    ready: proxy.ready,
    drain: (timeoutMs) => proxy.drain(timeoutMs),
    close: async () => {
      await proxy.close();
      await sender.close(500);
    },
  };
};
