// `weft get -w`: first what is there, then a line for each change, until Ctrl-C. Used by get.ts.
import type { Client, Selection, TableRow } from '../client/client.ts';
import { messageOf } from '../lib/errors.ts';
import { type Resource, withoutManagedFields } from '../model/resource.ts';
import { formatResources, sortedRows, TableFormatter, toYaml } from './get-output.ts';
import { type GetRequest, selectionOf } from './get-request.ts';
import type { Wanted } from './kind-names.ts';
import { orNotFound } from './not-found.ts';
import type { Terminal } from './terminal.ts';

const keyOf = (metadata: Resource['metadata'] | undefined): string =>
  `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

/** Remembers what was shown, so that a list after a break repeats only what changed in between. */
class Shown {
  #versions = new Map<string, string>();

  /** Whether this version is new to the user; remembers it. */
  add(metadata: Resource['metadata'] | undefined): boolean {
    const version = metadata?.resourceVersion ?? '';
    const key = keyOf(metadata);
    if (version !== '' && this.#versions.get(key) === version) return false;
    this.#versions.set(key, version);
    return true;
  }

  remove(metadata: Resource['metadata'] | undefined): void {
    this.#versions.delete(keyOf(metadata));
  }
}

const watchTable = async (
  client: Client,
  request: GetRequest,
  wanted: Wanted,
  selection: Selection,
  terminal: Terminal,
) => {
  const layout = {
    wide: request.format === 'wide',
    withNamespace: request.namespace === undefined && wanted.kind.namespaced,
    prefix: '',
  };
  const signal = terminal.onInterrupt();
  const shown = new Shown();
  let formatter: TableFormatter | undefined;
  let hasHead = false;
  const print = (rows: readonly TableRow[], age?: string) => {
    if (!formatter || rows.length === 0) return;
    const lines = formatter.rows(rows, age);
    if (!hasHead) terminal.print(formatter.head());
    hasHead = true;
    for (const line of lines) terminal.print(line);
  };
  const onBreak = (error: unknown) => terminal.note(`${messageOf(error)}; trying again`);
  for await (const change of client.watchTable(wanted.kind, selection, { signal, onBreak })) {
    if (change.type === 'LIST') {
      // Only the list is sure to have the columns; events may leave them out.
      formatter ??= new TableFormatter(change.list, layout, terminal);
      print(sortedRows(change.list.rows).filter((row) => shown.add(row.object?.metadata)));
      continue;
    }
    const isGone = change.type === 'DELETED';
    for (const row of change.object.rows) {
      if (isGone) shown.remove(row.object?.metadata);
      else shown.add(row.object?.metadata);
    }
    print(change.object.rows, isGone ? 'deleted' : undefined);
  }
};

const watchObjects = async (
  client: Client,
  request: GetRequest,
  wanted: Wanted,
  selection: Selection,
  terminal: Terminal,
) => {
  const { format } = request;
  const shown = new Shown();
  const print = async (resource: Resource) => {
    if (format === 'yaml') terminal.write(`---\n${await toYaml(withoutManagedFields(resource))}`);
    else terminal.write(await formatResources([{ resource, wanted }], format === 'name' ? 'name' : 'json', true));
  };
  const onBreak = (error: unknown) => terminal.note(`${messageOf(error)}; trying again`);
  for await (const change of client.watch(wanted.kind, selection, { signal: terminal.onInterrupt(), onBreak })) {
    if (change.type === 'LIST') {
      for (const resource of change.list.items) if (shown.add(resource.metadata)) await print(resource);
    } else {
      if (change.type === 'DELETED') shown.remove(change.object.metadata);
      else shown.add(change.object.metadata);
      await print(change.object);
    }
  }
};

/** Watches one kind, or one resource by name. */
export const watchResources = async (client: Client, request: GetRequest, terminal: Terminal): Promise<void> => {
  const wanted = request.wanted[0]!;
  const name = wanted.names?.[0];
  const selection: Selection = { ...selectionOf(request, wanted), name };
  if (name !== undefined) {
    // A slip in the name must not become a watch that never shows anything.
    await orNotFound(client, wanted.kind, name, selection.namespace, client.get(wanted.kind, name, selection));
  }
  const isTable = request.format === 'table' || request.format === 'wide';
  await (isTable ? watchTable : watchObjects)(client, request, wanted, selection, terminal);
};
