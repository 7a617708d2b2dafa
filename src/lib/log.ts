// Structured logs on stderr: one line per event, `time level component message key=value`, or JSON.

export const levels = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof levels)[number];
export type Fields = Record<string, unknown>;

export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** The same log with a component name appended. */
  child(component: string): Log;
}

export interface LogOptions {
  level: Level;
  /** Components that have told of themselves, with a level of their own where they have one. */
  own?: Map<string, Level | undefined>;
  json: boolean;
  write(line: string): void;
  now(): number;
}

const RANK: Record<Level, number> = { debug: 0, info: 1, warn: 2, error: 3 };

const formatValue = (value: unknown): string => {
  const text = value instanceof Error ? value.message : typeof value === 'string' ? value : JSON.stringify(value);
  if (text === undefined) return 'undefined';
  return /^[^\s"=]+$/.test(text) ? plain(text) : JSON.stringify(text);
};

/** Without control characters: what others sent must neither forge a line nor steer a terminal. */
const plain = (text: string): string => text.replace(/\p{Cc}/gu, '\u00b7');

export const openLog = (component: string, options: LogOptions): Log => {
  if (!options.own?.has(component)) options.own?.set(component, undefined);
  const emit =
    (level: Level) =>
    (message: string, fields: Fields = {}) => {
      if (RANK[level] < RANK[options.own?.get(component) ?? options.level]) return;
      const time = new Date(options.now()).toISOString();
      if (options.json) {
        const values = Object.fromEntries(
          Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? value.message : value]),
        );
        options.write(`${JSON.stringify({ time, level, component, message, ...values })}\n`);
        return;
      }
      const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${formatValue(value)}`);
      options.write(`${time} ${level} ${component}: ${plain(message)}${rest.join('')}\n`);
    };
  return {
    debug: emit('debug'),
    info: emit('info'),
    warn: emit('warn'),
    error: emit('error'),
    child: (name) => openLog(`${component}/${name}`, options),
  };
};

/** The lowest level that is written; may be changed while the log is in use. */
export interface LevelSwitch {
  /** Of every component; setting it ends what some of them have of their own. */
  level: Level;
  /** The components so far, each with its level. */
  loggers?(): readonly (readonly [name: string, level: Level])[];
  /** For one component alone. */
  setLogger?(name: string, level: Level): void;
}

const toStderr = { json: false, write: (line: string) => void process.stderr.write(line), now: Date.now };

export const systemLog = (component: string, level: Level = 'info', json = false): Log =>
  openLog(component, { ...toStderr, level, json });

/** A system log, and the switch for its level. */
export const switchedLog = (component: string, level: Level): { readonly log: Log; readonly logLevel: LevelSwitch } => {
  const own = new Map<string, Level | undefined>();
  const options: LogOptions = { ...toStderr, level, own };
  const logLevel: LevelSwitch = {
    get level() {
      return options.level;
    },
    set level(next) {
      options.level = next;
      for (const name of own.keys()) own.set(name, undefined);
    },
    loggers: () => [...own].map(([name, level]) => [name, level ?? options.level]),
    setLogger: (name, next) => own.set(name, next),
  };
  return { log: openLog(component, options), logLevel };
};

export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
};
