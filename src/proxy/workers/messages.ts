// What the main thread and its workers say to each other, by the names of the calls. Used by group.ts and worker.ts.
import type { Fields, Level } from '../../lib/log.ts';
import type { Svid } from '../../model/identity.ts';
import type { ProxyNode } from '../../model/node.ts';
import type { Problem } from '../../model/problem.ts';
import type { ProxyInspection } from '../admin/inspection.ts';
import type { ProxyLimits } from '../context.ts';
import type { BoundAddress } from '../listen/bound.ts';

/** With what a worker begins. */
export interface WorkerStart {
  readonly node: ProxyNode;
  readonly svid: Svid | undefined;
  readonly limits: Partial<ProxyLimits>;
  readonly logLevel: Level;
  /** False: nobody wants to know of the traffic. */
  readonly tellsEvents: boolean;
}

/** What became of a snapshot in one worker. */
export interface Applied {
  readonly problems: readonly Problem[];
  readonly bound: readonly BoundAddress[];
}

/** Without what the main thread knows itself. */
export type WorkerInspection = Omit<ProxyInspection, 'snapshot' | 'versions' | 'svid' | 'node'>;

export interface EventBatch {
  /** Events as JSON, one in a line. */
  readonly lines: string;
  readonly count: number;
  /** Inbound requests among them could not be passed on to the workload's program. */
  readonly unreachable: boolean;
  /** Left out before these, for want of room. */
  readonly dropped: number;
}

/** Of access logs. */
export interface LogLines {
  readonly lines: readonly (readonly [path: string, line: string])[];
  /** Left out before these, for want of room. */
  readonly dropped: number;
}

export interface LogLine {
  readonly components: readonly string[];
  readonly level: Level;
  readonly message: string;
  readonly fields: Fields | undefined;
}
