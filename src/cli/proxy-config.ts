// `weft proxy-config`: what a proxy has in use now, as its admin interface says it.
import type { Command } from 'commander';
import { workloadEntry } from '../kinds/workload-entry/schema.ts';
import { systemClock } from '../lib/clock.ts';
import { isWeftError, WeftError } from '../lib/errors.ts';
import { formatHostPort } from '../lib/host-port.ts';
import { nearestName } from '../lib/names.ts';
import type { SocketAddress } from '../model/node.ts';
import { at, isObject, type JsonObject } from './admin-json.ts';
import { newCommand } from './command.ts';
import { addConnectionOptions, type ConnectionOptions, namespaceOption, withClient } from './connect.ts';
import { orNotFound } from './not-found.ts';
import { requireFormat } from './output-format.ts';
import { badAnswer, findAdmin, findGatewayAdmin, parseAdminAddress, readAdmin } from './proxy-admin.ts';
import { envoyClusterRows, envoyListenerRows, envoyRouteRows } from './proxy-config-envoy.ts';
import {
  type ClusterStatus,
  clusterRows,
  endpointRows,
  listenerRows,
  type Rows,
  routeRows,
  secretRows,
} from './proxy-config-rows.ts';
import { paintWith } from './state-colour.ts';
import type { Terminal } from './terminal.ts';
import { formatTable } from './text-table.ts';

interface Options extends ConnectionOptions {
  readonly admin?: string;
  readonly output?: string;
}

interface Part {
  /** What `-o json` prints; the table's rows are made of `list`. */
  readonly json: unknown;
  readonly table: () => Rows;
}

type ReadPart = (admin: SocketAddress) => Promise<Part>;

/** The list that stands under a name in an object, wherever it came from. */
const listIn = <T>(holder: unknown, name: string, admin: SocketAddress): readonly T[] => {
  const list = typeof holder === 'object' && holder !== null ? (holder as Record<string, unknown>)[name] : undefined;
  if (Array.isArray(list)) return list as T[];
  throw badAnswer(formatHostPort(admin.address, admin.port), `it has no list "${name}"`);
};

/** What stands in one list of the configuration dump, out of its envelopes. */
const readDump = async (admin: SocketAddress, resource: string, path: readonly string[]): Promise<JsonObject[]> => {
  const page = `/config_dump?resource=${resource}`;
  const answer = await readAdmin(admin, page);
  // Envoy leaves an empty list out.
  const isEmpty = isObject(answer) && Object.keys(answer).length === 0;
  const configs = isEmpty ? [] : listIn<unknown>(answer, 'configs', admin);
  return configs.flatMap((config) => {
    const inside = at(config, ...path);
    return isObject(inside) ? [inside] : [];
  });
};

/** The same part of both engines: each row says by its `@type` whose form it has. */
const dumped =
  (
    resource: string,
    path: readonly string[],
    own: (list: never) => Rows,
    envoy: (list: readonly JsonObject[]) => Rows,
  ): ReadPart =>
  async (admin) => {
    const json = await readDump(admin, resource, path);
    const isOwn = json.every((one) => String(one['@type']).startsWith('weft.'));
    return { json, table: () => (isOwn ? own(json as never) : envoy(json)) };
  };

const parts: Readonly<Record<string, ReadPart>> = {
  listeners: dumped('dynamic_listeners', ['active_state', 'listener'], listenerRows, envoyListenerRows),
  routes: dumped('dynamic_route_configs', ['route_config'], routeRows, envoyRouteRows),
  clusters: dumped('dynamic_active_clusters', ['cluster'], clusterRows, envoyClusterRows),
  endpoints: async (admin) => {
    const all = listIn<ClusterStatus>(await readAdmin(admin, '/clusters?format=json'), 'cluster_statuses', admin);
    // Envoy's own ways to its control plane are no part of the configuration.
    const json = all.filter(({ added_via_api }) => added_via_api);
    return { json, table: () => endpointRows(json) };
  },
  secrets: async (admin) => {
    const json = await readDump(admin, 'dynamic_active_secrets', ['secret']);
    return { json, table: () => secretRows(json, systemClock.now()) };
  },
};

export const proxyConfigParts: readonly string[] = Object.keys(parts);

const EXAMPLE = 'weft proxy-config routes WORKLOAD';

const requirePart = (word: string | undefined): ReadPart => {
  const name = proxyConfigParts.find((known) => known === word || known === `${word}s`);
  if (name !== undefined) return parts[name]!;
  const nearest = word === undefined ? undefined : nearestName(word, proxyConfigParts);
  throw new WeftError('USAGE', `${word ? `"${word}" is not` : 'say'} one of ${proxyConfigParts.join(', ')}`, {
    hint: nearest ? `weft proxy-config ${nearest} WORKLOAD` : EXAMPLE,
  });
};

const chosenAdmin = (text: string): SocketAddress => {
  const admin = parseAdminAddress(text);
  if (admin) return admin;
  throw new WeftError('USAGE', `--admin "${text}" is not a loopback address with a port`, {
    hint: '--admin 127.0.0.1:15000',
  });
};

const adminOfWorkload = async (name: string, options: Options, terminal: Terminal): Promise<SocketAddress> => {
  let admin: SocketAddress | undefined;
  await withClient(options, terminal, async ({ client, namespace }) => {
    const found = await client.get(workloadEntry, name, { namespace }).catch((error: unknown) => {
      if (!isWeftError(error, 'API_NOT_FOUND')) throw error;
      return error;
    });
    if (!(found instanceof Error)) admin = await findAdmin(found);
    else {
      admin = await findGatewayAdmin(client, name, namespace);
      // Says which names there are.
      if (!admin) await orNotFound(client, workloadEntry, name, namespace, Promise.reject(found));
    }
  });
  return admin!;
};

const tableOf = ({ table }: Part, admin: SocketAddress): Rows => {
  try {
    return table();
  } catch (cause) {
    throw badAnswer(formatHostPort(admin.address, admin.port), 'a part of it has another form', cause);
  }
};

const run = async (args: readonly string[], options: Options, terminal: Terminal): Promise<void> => {
  const [word, name, ...more] = args;
  const readPart = requirePart(word);
  if (options.output !== undefined) requireFormat(options.output, ['json']);
  if (more.length > 0 || (name === undefined) === (options.admin === undefined)) {
    throw new WeftError('USAGE', 'name one workload, or an address with --admin', {
      hint: `weft proxy-config ${word} WORKLOAD`,
    });
  }
  const admin = name === undefined ? chosenAdmin(options.admin!) : await adminOfWorkload(name, options, terminal);
  const part = await readPart(admin);
  if (options.output === 'json') {
    terminal.print(JSON.stringify(part.json, null, 2));
    return;
  }
  const { columns, rows } = tableOf(part, admin);
  if (rows.length === 0) terminal.note(`The proxy has no ${word}.`);
  else for (const line of formatTable(columns, rows, paintWith(terminal.hasColour))) terminal.print(line);
};

export const command = (terminal: Terminal): Command =>
  addConnectionOptions(
    newCommand('proxy-config', 'Shows what a proxy on this machine has in use now.', [
      'weft proxy-config listeners reviews-v1',
      'weft proxy-config endpoints reviews-v1 -o json',
      'weft proxy-config routes gateway',
    ])
      .argument('[words...]', 'listeners, routes, clusters, endpoints or secrets; then a workload or a gateway')
      .usage('[options] listeners|routes|clusters|endpoints|secrets WORKLOAD'),
  )
    .addOption(namespaceOption())
    .option('--admin HOST:PORT', 'The admin interface itself, as of a gateway; its log names it.')
    .option('-o, --output FORMAT', 'Only json; a table without it.')
    .action((args: string[], options: Options) => run(args, options, terminal));
