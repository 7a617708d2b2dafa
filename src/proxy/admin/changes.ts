// The pages of the admin interface that change something: the log, health, ports, counters, the end. Called by routes.ts.
import { type Level, type LevelSwitch, levels } from '../../lib/log.ts';
import { type AdminControl, type Answer, type Asked, type Page, refuse } from './page.ts';
import type { Route } from './routes.ts';

// As Envoy spells the same levels.
const LEVELS: Readonly<Record<string, Level>> = {
  ...Object.fromEntries(levels.map((level) => [level, level])),
  trace: 'debug',
  warning: 'warn',
  critical: 'error',
};

const levelNamed = (name: string): Level | undefined => (Object.hasOwn(LEVELS, name) ? LEVELS[name] : undefined);

const shownLevels = ({ level, loggers }: LevelSwitch): Answer => {
  const all = [['weft', level], ...(loggers?.() ?? [])];
  return { body: `active loggers:\n${all.map(([name, own]) => `  ${name}: ${own}\n`).join('')}` };
};

/** `paths=proxy/xds:debug,…`; answers what is wrong with it. */
const setPaths = (paths: string, logLevel: LevelSwitch): string | undefined => {
  const known = new Map(logLevel.loggers?.());
  const wanted = paths.split(',').map((one) => one.split(':'));
  for (const [name = '', level = '', ...more] of wanted) {
    if (!known.has(name)) return `there is no logger "${name}"`;
    if (!levelNamed(level) || more.length > 0) return `"${level}" is not one of ${Object.keys(LEVELS).join(', ')}`;
  }
  for (const [name, level] of wanted) logLevel.setLogger?.(name!, levelNamed(level!)!);
  return undefined;
};

const logging: Page = (query, { logLevel }) => {
  if (!logLevel) return refuse(501, 'the level of this log can not be changed');
  const [level, paths] = [query.get('level'), query.get('paths')];
  if (level !== null) {
    const wanted = levelNamed(level);
    if (!wanted) return refuse(400, `level=${level} is not one of ${Object.keys(LEVELS).join(', ')}`);
    logLevel.level = wanted;
  }
  const wrong = paths === null ? undefined : setPaths(paths, logLevel);
  return wrong === undefined ? shownLevels(logLevel) : refuse(400, wrong);
};

const change =
  (act: (control: AdminControl, query: URLSearchParams) => void): Page =>
  (query, { control }: Asked) => {
    if (!control) return refuse(501, 'this proxy can not be told to do that');
    act(control, query);
    return { body: 'OK\n' };
  };

export const changes: Readonly<Record<string, Route>> = {
  '/drain_listeners': {
    what: 'close the ports; what is open goes on',
    takes: { graceful: 'tell clients to go first', inboundonly: 'only inbound listeners' },
    page: change((control, query) =>
      control.drainListeners({ inboundOnly: query.has('inboundonly'), graceful: query.has('graceful') }),
    ),
    changes: true,
  },
  '/healthcheck/fail': {
    what: 'be not ready, and tell clients to go; requests are served',
    takes: {},
    page: change((control) => control.setHealthy(false)),
    changes: true,
  },
  '/healthcheck/ok': {
    what: 'be ready again',
    takes: {},
    page: change((control) => control.setHealthy(true)),
    changes: true,
  },
  '/logging': {
    what: 'query or change logging levels',
    takes: { level: 'of all loggers', paths: 'of some: NAME:LEVEL, separated by commas' },
    page: logging,
    changes: true,
  },
  '/quitquitquit': {
    what: 'end, as SIGTERM does',
    takes: {},
    page: change((control) => control.quit()),
    changes: true,
  },
  '/reset_counters': {
    what: 'let all counters begin at 0 again',
    takes: {},
    page: change((control) => control.resetCounters()),
    changes: true,
  },
};
