// One worker: the whole proxy in a thread of its own, told by the main thread what to do. Started by group.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock, type Timer } from '../../lib/clock.ts';
import { type Fields, type Level, type Log, levels } from '../../lib/log.ts';
import { systemRandom } from '../../lib/random.ts';
import type { TrafficEvent } from '../../model/event.ts';
import type { Svid, SvidSource } from '../../model/identity.ts';
import type { Problem } from '../../model/problem.ts';
import type { Listener, Snapshot } from '../../model/snapshot.ts';
import type { Direction } from '../admin/inspection.ts';
import { openProxy } from '../proxy.ts';
import { Calls, type Handlers } from './calls.ts';
import type { Applied, EventBatch, LogLine, LogLines, WorkerInspection, WorkerStart } from './messages.ts';
import { applyChange, type SnapshotChange } from './snapshot-change.ts';

const EVENTS_MS = 20;
const BATCH = 512;
/** Events on their way that the main thread has not taken yet. */
const MAX_WAITING = 10_000;

const start = workerData as WorkerStart;

/** Errors do not travel as they are. */
const plainFields = (fields: Fields | undefined): Fields | undefined =>
  fields &&
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      value instanceof Error ? value.message : typeof value === 'object' ? JSON.stringify(value) : value,
    ]),
  );

let level: Level = start.logLevel;

const logTo = (main: () => Calls, components: readonly string[]): Log => {
  const emit = (at: Level) => (message: string, fields?: Fields) => {
    if (levels.indexOf(at) < levels.indexOf(level)) return;
    main().tell('log', { components, level: at, message, fields: plainFields(fields) } satisfies LogLine);
  };
  return {
    debug: emit('debug'),
    info: emit('info'),
    warn: emit('warn'),
    error: emit('error'),
    child: (name) => logTo(main, [...components, name]),
  };
};

/** Events as text, since that is what becomes of them in the end: made here, where there is a core for it. */
class EventOutlet {
  readonly #main: () => Calls;
  #lines: string[] = [];
  #unreachable = false;
  #waiting = 0;
  #dropped = 0;
  #timer: Timer | undefined;

  constructor(main: () => Calls) {
    this.#main = main;
  }

  add(event: TrafficEvent): void {
    this.#unreachable ||= event.direction === 'inbound' && event.flags.includes('UF');
    if (this.#waiting + this.#lines.length >= MAX_WAITING) {
      this.#dropped++;
      return;
    }
    this.#lines.push(JSON.stringify(event));
    if (this.#lines.length >= BATCH) void this.flush();
    else this.#timer ??= systemClock.after(EVENTS_MS, () => void this.flush());
  }

  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const count = this.#lines.length;
    if (count === 0) return;
    const batch: EventBatch = {
      lines: this.#lines.join('\n'),
      count,
      unreachable: this.#unreachable,
      dropped: this.#dropped,
    };
    this.#lines = [];
    this.#unreachable = false;
    this.#dropped = 0;
    this.#waiting += count;
    await this.#main().call('events', batch);
    this.#waiting -= count;
  }
}

/** As events: gathered, so that a line costs no message of its own. */
class LineOutlet {
  readonly #main: () => Calls;
  #lines: (readonly [string, string])[] = [];
  #waiting = 0;
  #dropped = 0;
  #timer: Timer | undefined;

  constructor(main: () => Calls) {
    this.#main = main;
  }

  add(path: string, line: string): void {
    if (this.#waiting + this.#lines.length >= MAX_WAITING) {
      this.#dropped++;
      return;
    }
    this.#lines.push([path, line]);
    if (this.#lines.length >= BATCH) void this.flush();
    else this.#timer ??= systemClock.after(EVENTS_MS, () => void this.flush());
  }

  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    this.#waiting += lines.length;
    const dropped = this.#dropped;
    this.#dropped = 0;
    await this.#main().call('logLines', { lines, dropped } satisfies LogLines);
    this.#waiting -= lines.length;
  }
}

class ToldSvid implements SvidSource {
  readonly #listeners = new Set<(svid: Svid) => void>();
  #svid: Svid;

  constructor(svid: Svid) {
    this.#svid = svid;
  }

  current(): Svid {
    return this.#svid;
  }

  watch(listener: (svid: Svid) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  renew(svid: Svid): void {
    this.#svid = svid;
    for (const listener of this.#listeners) listener(svid);
  }
}

const run = (channel: NonNullable<typeof parentPort>): void => {
  const main = () => calls;
  const events = start.tellsEvents ? new EventOutlet(main) : undefined;
  const lines = new LineOutlet(main);
  const svid = start.svid && new ToldSvid(start.svid);
  const proxy = openProxy({
    node: start.node,
    ...(svid && { svid }),
    onEvent: events ? (event) => events.add(event) : () => {},
    onLogLine: (path, line) => lines.add(path, line),
    clock: systemClock,
    random: systemRandom,
    log: logTo(main, []),
    limits: start.limits,
    askRateLimit: (questions, timeoutMs) => calls.call('askRateLimit', { questions, timeoutMs }),
    claimPort: (listener: Listener) => calls.call<number | Problem>('claimPort', listener),
  });
  let snapshot: Snapshot | undefined;
  const handlers = {
    async apply(change: SnapshotChange): Promise<Applied> {
      snapshot = applyChange(snapshot, change);
      const problems = await proxy.apply(snapshot);
      return { problems, bound: proxy.listeners() };
    },
    inspect(): WorkerInspection {
      const { snapshot: _, versions: __, svid: ___, node: ____, ...own } = proxy.inspect();
      return own;
    },
    renewSvid: (next: Svid) => svid?.renew(next),
    setLogLevel: (next: Level) => {
      level = next;
    },
    setHealthy: (isHealthy: boolean) => proxy.setHealthy(isHealthy),
    stopListening: (direction: Direction | undefined) => proxy.stopListening(direction),
    resetCounters: () => proxy.resetCounters(),
    async drain(timeoutMs: number): Promise<void> {
      await proxy.drain(timeoutMs);
      await events?.flush();
      await lines.flush();
    },
    async close(): Promise<void> {
      await proxy.close();
      await events?.flush();
      await lines.flush();
    },
  } satisfies Handlers;
  const calls = new Calls(channel, handlers as Handlers);
};

if (parentPort) run(parentPort);
