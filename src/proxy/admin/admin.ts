// The admin interface of a proxy: an HTTP server on loopback with Envoy's pages. Opened by app beside the proxy.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import { messageOf, WeftError } from '../../lib/errors.ts';
import { type Level, type LevelSwitch, levels } from '../../lib/log.ts';
import { compilePattern } from '../../lib/pattern.ts';
import { bindError } from '../../lib/ports.ts';
import type { ProxyInspection } from './inspection.ts';
import {
  certsJson,
  clustersJson,
  clustersText,
  configDump,
  listenersJson,
  listenersText,
  serverInfo,
} from './pages.ts';
import { formatPrometheus, formatStats, type Stat, statsOf } from './stats.ts';

export interface AdminOptions {
  readonly inspect: () => ProxyInspection | Promise<ProxyInspection>;
  readonly clock: Clock;
  /** Absent: the level of the log can't be changed. */
  readonly logLevel?: LevelSwitch | undefined;
  /** On 127.0.0.1; 0 is any free one. */
  readonly port: number;
}

export interface Admin {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

/** The options, with what the proxy said of itself for this request. */
type Asked = Omit<AdminOptions, 'inspect'> & { readonly inspect: () => ProxyInspection };

type Page = (query: URLSearchParams, options: Asked) => Answer;

const LOOPBACK = '127.0.0.1';
const PROMETHEUS = 'text/plain; version=0.0.4; charset=UTF-8';
const MAX_CONNECTIONS = 64;
const TIMEOUT_MS = 5_000;
const MAX_FILTER = 1024;

const json = (value: unknown): Answer => ({
  type: 'application/json',
  body: `${JSON.stringify(value, undefined, 1)}\n`,
});

const refuse = (status: number, why: string): Answer => ({ status, body: `${why}\n` });

/** Throws for a parameter, or a value of `format`, that the page does not know: it must not be ignored. */
const require = (query: URLSearchParams, known: readonly string[], formats: readonly string[] = ['text']): string => {
  for (const name of query.keys()) {
    if (!known.includes(name)) throw new WeftError('NOT_SUPPORTED', `the parameter "${name}" is not supported here`);
  }
  const format = query.get('format') ?? formats[0]!;
  if (formats.includes(format)) return format;
  throw new WeftError('NOT_SUPPORTED', `format=${format} is not supported; it takes ${formats.join(', ')}`);
};

/** The stats whose name has the pattern somewhere in it. */
const filtered = (stats: readonly Stat[], filter: string | null): readonly Stat[] => {
  if (filter === null) return stats;
  if (filter.length > MAX_FILTER) throw new WeftError('PATTERN_INVALID', 'the filter is too long');
  const pattern = compilePattern(`.*(?:${filter}).*`);
  return stats.filter(({ name }) => pattern.matches(name));
};

const stats: Page = (query, { inspect }) => {
  const format = require(query, ['filter', 'format', 'usedonly'], ['text', 'json', 'prometheus']);
  const found = filtered(statsOf(inspect()), query.get('filter')).filter(
    ({ value }) => !query.has('usedonly') || value > 0,
  );
  if (format === 'prometheus') return { type: PROMETHEUS, body: formatPrometheus(found) };
  if (format === 'json') return json({ stats: found.map(({ name, value }) => ({ name, value })) });
  return { body: formatStats(found) };
};

const pages: Readonly<Record<string, readonly [what: string, page: Page]>> = {
  '/certs': [
    'print certificates on machine',
    (query, { inspect, clock }) => {
      require(query, []);
      return json(certsJson(inspect(), clock.now()));
    },
  ],
  '/clusters': [
    'upstream cluster status; ?format=json',
    (query, { inspect }) => {
      const { clusters } = inspect();
      const format = require(query, ['format'], ['text', 'json']);
      return format === 'json' ? json(clustersJson(clusters)) : { body: clustersText(clusters) };
    },
  ],
  '/config_dump': [
    'the configuration in use; ?include_eds',
    (query, { inspect }) => {
      require(query, ['include_eds']);
      return json(configDump(inspect(), query.has('include_eds')));
    },
  ],
  '/listeners': [
    'print listener info; ?format=json',
    (query, { inspect }) => {
      const { listeners } = inspect();
      const format = require(query, ['format'], ['text', 'json']);
      return format === 'json' ? json(listenersJson(listeners)) : { body: listenersText(listeners) };
    },
  ],
  '/ready': [
    'print LIVE, or the state with 503',
    (query, { inspect }) => {
      require(query, []);
      const { state } = inspect();
      return { status: state === 'LIVE' ? 200 : 503, body: `${state}\n` };
    },
  ],
  '/server_info': [
    'print version, state and node',
    (query, { inspect }) => {
      require(query, []);
      return json(serverInfo(inspect()));
    },
  ],
  '/stats': ['print counts; ?filter=REGEX, ?usedonly, ?format=json|prometheus', stats],
  '/stats/prometheus': [
    'print counts for Prometheus; ?filter=REGEX, ?usedonly',
    (query, options) => {
      require(query, ['filter', 'usedonly']);
      const all = new URLSearchParams(query);
      all.set('format', 'prometheus');
      return stats(all, options);
    },
  ],
};

// As Envoy spells the same levels.
const LEVELS: Readonly<Record<string, Level>> = {
  ...Object.fromEntries(levels.map((level) => [level, level])),
  warning: 'warn',
};

const logging: Page = (query, { logLevel }) => {
  if (!logLevel) return refuse(501, 'the level of this log can not be changed');
  require(query, ['level']);
  const wanted = query.get('level');
  if (wanted !== null) {
    const level = Object.hasOwn(LEVELS, wanted) ? LEVELS[wanted] : undefined;
    if (!level) return refuse(400, `level=${wanted} is not one of ${Object.keys(LEVELS).join(', ')}`);
    logLevel.level = level;
  }
  return { body: `active loggers:\n  weft: ${logLevel.level}\n` };
};

const help: Page = () => ({
  body: `admin commands are:\n${[
    ...Object.entries(pages).map(([path, [what]]) => [path, what] as const),
    ['/help', 'print this list'] as const,
    ['/logging', 'POST: print the level of the log, or change it with ?level=debug'] as const,
  ]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, what]) => `  ${path}: ${what}\n`)
    .join('')}`,
});

const LOOPBACK_HOST = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/i;

/** Only programs of this machine may ask: no name that leads here by DNS, and no page of another site in a browser. */
const isForeign = ({ headers }: IncomingMessage): boolean => {
  const site = headers['sec-fetch-site'];
  if (!LOOPBACK_HOST.test(headers.host ?? '') || headers.origin !== undefined) return true;
  return site !== undefined && site !== 'none' && site !== 'same-origin';
};

const answer = (req: IncomingMessage, options: Asked): Answer => {
  if (isForeign(req)) return refuse(403, 'only for programs on this machine, by a loopback address or localhost');
  const target = req.url ?? '/';
  if (!target.startsWith('/')) return refuse(400, 'the request target is not a path');
  const at = target.indexOf('?');
  const path = at < 0 ? target : target.slice(0, at);
  const query = new URLSearchParams(at < 0 ? '' : target.slice(at + 1));
  const isChange = path === '/logging';
  const page = isChange ? logging : path === '/' || path === '/help' ? help : ownPage(path);
  if (!page) return { ...help(query, options), status: 404 };
  if (isChange ? req.method !== 'POST' : req.method !== 'GET' && req.method !== 'HEAD') {
    return refuse(405, `${path} takes ${isChange ? 'POST' : 'GET'}`);
  }
  try {
    return page(query, options);
  } catch (error) {
    if (error instanceof WeftError) return refuse(400, error.message);
    return refuse(500, messageOf(error));
  }
};

const ownPage = (path: string): Page | undefined => (Object.hasOwn(pages, path) ? pages[path]![1] : undefined);

const respond = async (req: IncomingMessage, res: ServerResponse, options: AdminOptions): Promise<void> => {
  const inspection = await options.inspect();
  const {
    status = 200,
    type = 'text/plain; charset=UTF-8',
    body,
  } = answer(req, { ...options, inspect: () => inspection });
  // A body that was sent along is not waited for.
  const hasBody = req.headers['content-length'] !== undefined || req.headers['transfer-encoding'] !== undefined;
  res.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
    ...(status === 405 && { allow: req.url?.startsWith('/logging') ? 'POST' : 'GET, HEAD' }),
    ...(hasBody && { connection: 'close' }),
  });
  res.end(req.method === 'HEAD' ? undefined : body);
};

/** Throws PORT_TAKEN and its like. */
export const openAdmin = async (options: AdminOptions): Promise<Admin> => {
  const server = createServer(
    { maxHeaderSize: 8192, headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, keepAliveTimeout: TIMEOUT_MS },
    (req, res) => void respond(req, res, options),
  );
  server.maxConnections = MAX_CONNECTIONS;
  const { port } = options;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(bindError(cause, { address: LOOPBACK, port, use: 'admin', flag: '--admin-port' })),
    );
    server.listen({ host: LOOPBACK, port, exclusive: true }, resolve);
  });
  server.removeAllListeners('error');
  // E.g. too many open files: traffic matters more than this interface.
  server.on('error', () => {});
  const bound = server.address();
  return {
    address: LOOPBACK,
    port: typeof bound === 'object' && bound ? bound.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
