// Weft's own proxy in this process: in this thread, or in workers on several cores. Opened by engines.ts and standalone-weft.ts.
import { availableParallelism } from 'node:os';
import { systemClock } from '../lib/clock.ts';
import { WeftError } from '../lib/errors.ts';
import { type Level, type LevelSwitch, type Log, levels } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import type { TrafficEvent } from '../model/event.ts';
import type { SvidSource } from '../model/identity.ts';
import type { ProxyNode } from '../model/node.ts';
import type { AskRateLimit } from '../model/rate-limit.ts';
import { openProxy, type RunningProxy } from '../proxy/proxy.ts';
import type { Drainable } from './drain.ts';
import { type LogFiles, openLogFiles, reopenOnSignal } from './log-files.ts';

/** How many cores: so many, or all that this process may use. */
export type Concurrency = number | 'auto';

/** Where SO_REUSEPORT spreads connections over those who share a port. */
const SHARES_PORTS: ReadonlySet<string> = new Set(['linux', 'freebsd', 'sunos', 'aix']);

export const coresOf = (concurrency: Concurrency = 1): number =>
  concurrency === 'auto' ? availableParallelism() : concurrency;

/** Takes what a proxy tells of its traffic. */
export interface EventSink {
  add(event: TrafficEvent): void;
  /** Events that are JSON already. */
  addEncoded(events: readonly string[]): void;
}

export interface OwnProxyOptions {
  readonly concurrency?: Concurrency | undefined;
  readonly node: ProxyNode;
  readonly svid?: SvidSource;
  /** Absent: nobody wants to know of the traffic. */
  readonly events?: EventSink | undefined;
  /** An inbound request could not be passed on to the workload's program. */
  readonly onUnreachable?: (() => void) | undefined;
  readonly askRateLimit?: AskRateLimit | undefined;
  readonly log: Log;
  readonly logLevel?: LevelSwitch | undefined;
}

export interface OwnProxy {
  readonly proxy: RunningProxy;
  /** The switch for the log of all threads. */
  readonly logLevel: LevelSwitch | undefined;
  /** Once the proxy is closed: writes what is left of its access logs. */
  closeLogs(): Promise<void>;
}

/** Its end, as both engines have it. */
export const drainableOf = (proxy: RunningProxy): Drainable => ({
  isReady: async () => (await proxy.inspect()).state === 'LIVE',
  setHealthy: (isHealthy) => proxy.setHealthy(isHealthy),
  drain: (timeoutMs) => proxy.drain(timeoutMs),
});

const LOGS_CLOSE_MS = 2_000;

type Opened = Omit<OwnProxy, 'closeLogs'>;
type OnLogLine = LogFiles['write'];

const inThisThread = (
  { events, onUnreachable, logLevel, ...common }: OwnProxyOptions,
  onLogLine: OnLogLine,
): Opened => {
  const onEvent = (event: TrafficEvent) => {
    events?.add(event);
    if (event.direction === 'inbound' && event.flags.includes('UF')) onUnreachable?.();
  };
  return { proxy: openProxy({ ...common, onEvent, onLogLine, clock: systemClock, random: systemRandom }), logLevel };
};

const lowestOf = ({ level, loggers }: LevelSwitch): Level =>
  levels.find((one) => one === level || loggers?.().some(([, own]) => own === one)) ?? level;

export const openOwnProxy = async (options: OwnProxyOptions): Promise<OwnProxy> => {
  const logs = openLogFiles(systemClock, options.log);
  const opened = await openThreads(options, logs.write);
  const stopReopening = reopenOnSignal(logs.reopen);
  const closeLogs = () => {
    stopReopening();
    return logs.close(LOGS_CLOSE_MS);
  };
  return { ...opened, closeLogs };
};

const openThreads = async (options: OwnProxyOptions, onLogLine: OnLogLine): Promise<Opened> => {
  const count = coresOf(options.concurrency);
  if (count === 1) return inThisThread(options, onLogLine);
  if (!SHARES_PORTS.has(process.platform)) {
    throw new WeftError('USAGE', `on ${process.platform} workers can not share a port`, {
      at: '--concurrency',
      hint: 'leave it out, or run several gateways on ports of their own',
    });
  }
  const { events, onUnreachable, logLevel, ...common } = options;
  const { openProxyGroup } = await import('../proxy/workers/group.ts');
  const group = openProxyGroup({
    ...common,
    count,
    onLogLine,
    ...(events && { onEvents: (lines) => events.addEncoded(lines) }),
    ...(onUnreachable && { onUnreachable }),
    clock: systemClock,
    logLevel: logLevel?.level ?? 'info',
  });
  if (!logLevel) return { proxy: group, logLevel };
  // Workers send what any component wants to know; this thread's log leaves the rest out.
  const tell = () => group.setLogLevel(lowestOf(logLevel));
  const both: LevelSwitch = {
    get level() {
      return logLevel.level;
    },
    set level(level) {
      logLevel.level = level;
      tell();
    },
    loggers: () => logLevel.loggers?.() ?? [],
    setLogger(name, level) {
      logLevel.setLogger?.(name, level);
      tell();
    },
  };
  return { proxy: group, logLevel: both };
};
