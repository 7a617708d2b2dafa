// The pages of the admin interface by their paths, each with the parameters that it takes. Called by admin.ts.
import { WeftError } from '../../lib/errors.ts';
import { compilePattern } from '../../lib/pattern.ts';
import { changes } from './changes.ts';
import { configDump } from './config-dump.ts';
import { type Answer, type Asked, json, type Page, type Parameters, readFormat, refuse } from './page.ts';
import {
  certsJson,
  clustersJson,
  clustersText,
  listenersJson,
  listenersText,
  memoryJson,
  serverInfo,
} from './pages.ts';
import { formatPrometheus, formatStats, type Stat, statsJson, statsOf } from './stats.ts';

const PROMETHEUS = 'text/plain; version=0.0.4; charset=UTF-8';
const MAX_FILTER = 1024;

const compileFilter = (filter: string): ((name: string) => boolean) => {
  if (filter.length > MAX_FILTER) throw new WeftError('PATTERN_INVALID', 'the filter is too long');
  const pattern = compilePattern(`.*(?:${filter}).*`);
  return (name) => pattern.matches(name);
};

const TYPES: Readonly<Record<string, readonly Stat['type'][]>> = {
  All: ['counter', 'gauge', 'histogram'],
  Counters: ['counter'],
  Gauges: ['gauge'],
  Histograms: ['histogram'],
};

const chosenStats = (query: URLSearchParams, { proxy }: Asked): Stat[] => {
  const type = query.get('type') ?? 'All';
  if (!Object.hasOwn(TYPES, type)) {
    throw new WeftError('NOT_SUPPORTED', `type=${type} is not one of ${Object.keys(TYPES).join(', ')}`);
  }
  const filter = query.get('filter');
  const matches = filter === null ? undefined : compileFilter(filter);
  const inverts = query.has('invert_filter');
  return statsOf(proxy).filter(
    (stat) =>
      TYPES[type]!.includes(stat.type) &&
      (!query.has('usedonly') || stat.value > 0) &&
      (!matches || matches(stat.name) !== inverts),
  );
};

const stats: Page = (query, asked) => {
  const format = readFormat(query, ['text', 'json', 'prometheus']);
  const found = chosenStats(query, asked);
  if (format === 'prometheus') return { type: PROMETHEUS, body: formatPrometheus(found) };
  return format === 'json' ? json(statsJson(found)) : { body: formatStats(found) };
};

const dump: Page = (query, { proxy }) => {
  const wanted = {
    resource: query.get('resource') ?? undefined,
    mask: query.get('mask') ?? undefined,
    nameRegex: query.get('name_regex') ?? undefined,
    includeEds: query.has('include_eds'),
  };
  const configs = configDump(proxy, wanted);
  return configs ? json(configs) : refuse(404, `${wanted.resource} not found in config dump`);
};

const clusters: Page = (query, { proxy }) => {
  const format = readFormat(query, ['text', 'json']);
  const filter = query.get('filter');
  const matches = filter === null ? () => true : compileFilter(filter);
  const found = proxy.clusters.filter(({ cluster }) => matches(cluster.name));
  return format === 'json' ? json(clustersJson(found)) : { body: clustersText(found) };
};

const listeners: Page = (query, { proxy }) =>
  readFormat(query, ['text', 'json']) === 'json'
    ? json(listenersJson(proxy.listeners))
    : { body: listenersText(proxy.listeners) };

const ready: Page = (_, { proxy: { state } }) => ({ status: state === 'LIVE' ? 200 : 503, body: `${state}\n` });

const FORMAT = { format: 'text or json' };
const FILTER = { filter: 'only names with this regular expression in them' };
const STATS: Parameters = {
  ...FILTER,
  invert_filter: 'only the other names',
  usedonly: 'only what has been counted',
  type: 'All, Counters, Gauges or Histograms',
};

export interface Route {
  readonly what: string;
  readonly takes: Parameters;
  readonly page: Page;
  /** True for what changes something: only POST is taken. */
  readonly changes?: true;
}

export const routes: Readonly<Record<string, Route>> = {
  ...changes,
  '/certs': { what: 'print certs on machine', takes: {}, page: (_, { proxy, nowMs }) => json(certsJson(proxy, nowMs)) },
  '/clusters': { what: 'upstream cluster status', takes: { ...FILTER, ...FORMAT }, page: clusters },
  '/config_dump': {
    what: 'dump the configuration in use',
    takes: {
      resource: 'one list, its parts each by itself, e.g. dynamic_listeners',
      mask: 'only these fields, e.g. dynamic_listeners or, with a resource, name,active_state.version_info',
      name_regex: 'only parts of such a name',
      include_eds: 'endpoints too',
    },
    page: dump,
  },
  '/listeners': { what: 'print listener info', takes: FORMAT, page: listeners },
  '/memory': { what: 'print current heap usage', takes: {}, page: () => json(memoryJson()) },
  '/ready': { what: 'print LIVE with 200, else the state with 503', takes: {}, page: ready },
  '/server_info': {
    what: 'print version, state and node',
    takes: {},
    page: (_, { proxy, logLevel }) => json(serverInfo(proxy, logLevel?.level ?? '')),
  },
  '/stats': { what: 'print counts', takes: { ...STATS, format: 'text, json or prometheus' }, page: stats },
  '/stats/prometheus': {
    what: 'print counts for Prometheus',
    takes: STATS,
    page: (query, asked): Answer => ({ type: PROMETHEUS, body: formatPrometheus(chosenStats(query, asked)) }),
  },
};

/** Every page with what it takes, as Envoy lists them. */
export const help = (): Answer => {
  const lines = ['admin commands are:'];
  const all = { ...routes, '/help': { what: 'print this list', takes: {} } as Route };
  for (const [path, { what, takes, changes }] of Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(`  ${path}${changes ? ' (POST)' : ''}: ${what}`);
    for (const [name, meaning] of Object.entries(takes)) lines.push(`      ${name}: ${meaning}`);
  }
  return { body: `${lines.join('\n')}\n` };
};
