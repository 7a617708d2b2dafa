// What a gateway without a control plane runs: Weft's own proxy in this process, or an Envoy beside it. Implemented by
// standalone-weft.ts and standalone-envoy.ts, of which standalone.ts loads only the one it needs.
import type { Log } from '../lib/log.ts';
import type { ProxyNode, SocketAddress } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { AskRateLimit } from '../model/rate-limit.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Drainable } from './drain.ts';
import type { Concurrency, EventSink } from './own-proxy.ts';
import type { AdminSettings } from './proxy-admin.ts';

export interface StandaloneEngine extends Drainable {
  /**
   * Takes the newest snapshot and answers what of it could not be used. The same one again tries that anew, and leaves
   * alone what is served already.
   */
  apply(snapshot: Snapshot): Promise<readonly Problem[]>;
  /** Where it listens now. */
  listeners(): readonly SocketAddress[];
  close(): Promise<void>;
}

export interface StandaloneEngineOptions extends AdminSettings {
  readonly node: ProxyNode;
  readonly trustDomain: string;
  /** Where Envoy's binary is, if the user said so. */
  readonly envoy?: string | undefined;
  /** Absent: nobody wants to know of the traffic. */
  readonly events?: EventSink | undefined;
  readonly askRateLimit: AskRateLimit;
  readonly concurrency?: Concurrency | undefined;
  readonly log: Log;
}
