// `weft get`: resources as the API's table, or as YAML, JSON, names; once or as they change.
import type { Command } from 'commander';
import type { Client, Table } from '../client/client.ts';
import { formatError, WeftError } from '../lib/errors.ts';
import type { Resource } from '../model/resource.ts';
import { newCommand } from './command.ts';
import {
  addConnectionOptions,
  type Connected,
  type ConnectionOptions,
  namespaceOption,
  withClient,
} from './connect.ts';
import { formatResources, tableLines } from './get-output.ts';
import { FORMATS, type GetRequest, selectionOf } from './get-request.ts';
import { watchResources } from './get-watch.ts';
import { kindPrefix, parseWanted, type Wanted } from './kind-names.ts';
import { orNotFound } from './not-found.ts';
import { requireFormat } from './output-format.ts';
import type { Terminal } from './terminal.ts';

interface Options extends ConnectionOptions {
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly output?: string;
  readonly watch?: boolean;
}

/** Resources of one kind; names that do not exist are said one by one and the rest is shown. */
const fetchResources = async (
  client: Client,
  request: GetRequest,
  wanted: Wanted,
  failed: (error: unknown) => void,
) => {
  const selection = selectionOf(request, wanted);
  if (!wanted.names) return [...(await client.list(wanted.kind, selection)).items];
  const found: Resource[] = [];
  for (const name of wanted.names) {
    const { namespace } = selection;
    try {
      found.push(await orNotFound(client, wanted.kind, name, namespace, client.get(wanted.kind, name, { namespace })));
    } catch (error) {
      failed(error);
    }
  }
  return found;
};

const fetchTable = async (
  client: Client,
  request: GetRequest,
  wanted: Wanted,
  failed: (error: unknown) => void,
): Promise<Table> => {
  const selection = selectionOf(request, wanted);
  if (!wanted.names) return client.table(wanted.kind, selection);
  let whole: Table = { columnDefinitions: [], rows: [] };
  for (const name of wanted.names) {
    const one = client.table(wanted.kind, { ...selection, name });
    try {
      const table = await orNotFound(client, wanted.kind, name, selection.namespace, one);
      whole = { columnDefinitions: table.columnDefinitions, rows: [...whole.rows, ...table.rows] };
    } catch (error) {
      failed(error);
    }
  }
  return whole;
};

const showOnce = async (client: Client, request: GetRequest, terminal: Terminal): Promise<void> => {
  const errors: unknown[] = [];
  const failed = (error: unknown) => {
    if (!(error instanceof WeftError) || error.code !== 'API_NOT_FOUND') throw error;
    errors.push(error);
  };
  const { format, wanted } = request;
  let shown = 0;
  if (format === 'table' || format === 'wide') {
    for (const one of wanted) {
      const table = await fetchTable(client, request, one, failed);
      if (table.rows.length === 0) continue;
      if (shown > 0) terminal.print('');
      shown += table.rows.length;
      const layout = {
        wide: format === 'wide',
        withNamespace: request.namespace === undefined && one.kind.namespaced,
        prefix: wanted.length > 1 ? `${kindPrefix(one.kind)}/` : '',
      };
      for (const line of tableLines(table, layout, terminal)) terminal.print(line);
    }
  } else {
    const found: { resource: Resource; wanted: Wanted }[] = [];
    for (const one of wanted) {
      for (const resource of await fetchResources(client, request, one, failed)) found.push({ resource, wanted: one });
    }
    shown = found.length;
    const isOne = wanted.length === 1 && wanted[0]!.names?.length === 1;
    // An empty list is still valid YAML and JSON; programs read it.
    if (shown > 0 || (format !== 'name' && !errors.length)) terminal.write(await formatResources(found, format, isOne));
  }
  for (const error of errors) terminal.note(formatError(error));
  if (errors.length) terminal.exitCode = 1;
  else if (shown === 0) terminal.note(emptyText(request));
};

const emptyText = ({ namespace, wanted }: GetRequest): string => {
  const isNamespaced = wanted.some(({ kind }) => kind.namespaced);
  return isNamespaced && namespace !== undefined
    ? `No resources found in ${namespace} namespace.`
    : 'No resources found';
};

const run = async (args: readonly string[], options: Options, terminal: Terminal): Promise<void> => {
  const wanted = parseWanted(args, 'weft get services');
  const format = options.output === undefined ? 'table' : requireFormat(options.output, FORMATS);
  if (options.allNamespaces && wanted.some(({ names }) => names)) {
    throw new WeftError('USAGE', "a resource can't be got by name across all namespaces", {
      hint: 'name its namespace with -n',
    });
  }
  if (options.watch && (wanted.length !== 1 || (wanted[0]!.names?.length ?? 0) > 1)) {
    throw new WeftError('USAGE', '--watch takes one kind, or one resource', { hint: 'weft get workloads -w' });
  }
  await withClient(options, terminal, async ({ client, namespace }: Connected) => {
    const request: GetRequest = {
      wanted,
      format,
      namespace: options.allNamespaces ? undefined : namespace,
      labelSelector: options.selector,
      fieldSelector: options.fieldSelector,
    };
    await (options.watch ? watchResources(client, request, terminal) : showOnce(client, request, terminal));
  });
};

export const command = (terminal: Terminal): Command =>
  addConnectionOptions(
    newCommand('get', 'Shows resources as a table, YAML or JSON.', [
      'weft get services,workloads',
      'weft get httproute reviews -o yaml',
      'weft get workloads -A -w',
    ])
      .argument('[kind...]', 'kinds, then names; or KIND/NAME')
      .usage('[options] KIND[,kind...] [NAME…] | KIND/NAME…'),
  )
    .addOption(namespaceOption())
    .option('-A, --all-namespaces', 'Resources of every namespace.')
    .option('-l, --selector LABELS', 'Only those with these labels, e.g. app=reviews,version!=v1.')
    .option('--field-selector FIELDS', 'Only those with these fields, e.g. metadata.name=reviews.')
    .option('-o, --output FORMAT', 'yaml, json, wide or name.')
    .option('-w, --watch', 'Go on and show each change.')
    .action((args: string[], options: Options) => run(args, options, terminal));
