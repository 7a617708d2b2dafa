// `weft describe`: one resource made to be read: names, state with messages, what belongs to it, and its spec.
import type { Command } from 'commander';
import { LAST_APPLIED } from '../client/apply.ts';
import type { Client } from '../client/client.ts';
import type { Kind } from '../kinds/kind.ts';
import { systemClock } from '../lib/clock.ts';
import type { Resource } from '../model/resource.ts';
import { newCommand } from './command.ts';
import { conditionsOf, isBad, isStale } from './conditions.ts';
import { addConnectionOptions, type ConnectionOptions, namespaceOption, withClient } from './connect.ts';
import { relatedLines } from './describe-related.ts';
import { toYaml } from './get-output.ts';
import { parseWanted } from './kind-names.ts';
import { orNotFound } from './not-found.ts';
import { type Paint, paintWith, type State } from './state-colour.ts';
import type { Terminal } from './terminal.ts';
import { printable } from './text-table.ts';
import { formatAge, formatSize } from './units.ts';

type Pair = readonly [string, readonly string[]];

const mapLines = (map: Readonly<Record<string, string>> = {}, without: readonly string[] = []): string[] =>
  Object.entries(map)
    .filter(([name]) => !without.includes(name))
    .map(([name, value]) => `${name}=${value}`);

const formatFacts = (pairs: readonly Pair[]): string[] => {
  const shown = pairs.filter(([, values]) => values.length > 0);
  const width = Math.max(...shown.map(([name]) => name.length)) + 1;
  return shown.flatMap(([name, values]) =>
    values.map((value, i) => `${(i === 0 ? `${name}:` : '').padEnd(width)}  ${printable(value)}`),
  );
};

const capital = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);

/** What users wrote: the spec, or the fields that a kind without one has. Secret values show as their size. */
const contentOf = (resource: Resource): Readonly<Record<string, unknown>> => {
  const { apiVersion: _a, kind, metadata: _m, status: _s, ...content } = resource as Resource & { data?: object };
  if (kind !== 'Secret' || !content.data) return content;
  const sizes = Object.entries(content.data).map(([name, value]) => [
    name,
    formatSize(Buffer.byteLength(String(value), 'base64')),
  ]);
  return { ...content, data: Object.fromEntries(sizes) };
};

/** Names, versions, labels, and what the kind's columns say of it. */
const factLines = (kind: Kind, resource: Resource, nowMs: number): string[] => {
  const { metadata } = resource;
  const created = metadata.creationTimestamp;
  const columns = kind.columns
    .map(
      ({ name, value }): Pair => [
        capital(name),
        [String(value(resource))].filter((text) => text !== '' && text !== '<none>'),
      ],
    )
    .filter(([name]) => name !== 'Labels' && name !== 'Data');
  const shown = new Set(columns.map(([name]) => name));
  const scalars = Object.entries(contentOf(resource))
    .filter(([name, value]) => typeof value !== 'object' && !shown.has(capital(name)))
    .map(([name, value]): Pair => [capital(name), [String(value)]]);
  return formatFacts([
    ['Name', [metadata.name]],
    ['Namespace', metadata.namespace ? [metadata.namespace] : []],
    ['Kind', [`${resource.kind} (${resource.apiVersion})`]],
    ['Created', created ? [`${created} (${formatAge(nowMs - Date.parse(created))} ago)`] : []],
    ['Deleted', metadata.deletionTimestamp ? [`${metadata.deletionTimestamp} (waits for its finalizers)`] : []],
    ['Labels', mapLines(metadata.labels)],
    ['Annotations', mapLines(metadata.annotations, [LAST_APPLIED])],
    ['Owner', (metadata.ownerReferences ?? []).map((owner) => `${owner.kind}/${owner.name}`)],
    ...columns,
    ...scalars,
  ]);
};

/** State with messages, grouped by holder. */
export const conditionLines = (resource: Resource, paint: Paint): string[] => {
  const lines: string[] = [];
  let holder: string | undefined;
  const placed = conditionsOf(resource);
  const width = Math.max(0, ...placed.map(({ condition }) => condition.type.length));
  for (const one of placed) {
    const indent = one.holder === '' ? '  ' : '    ';
    if (one.holder !== holder && one.holder !== '') lines.push(`  ${printable(one.holder)}`);
    holder = one.holder;
    const { type, status, reason, message } = one.condition;
    const state: State = status === 'Unknown' || isStale(resource, one) ? 'between' : isBad(one) ? 'bad' : 'good';
    const stale = isStale(resource, one) ? ' (of an earlier version of the spec)' : '';
    const why = [reason, message].filter((text) => text).join(': ');
    lines.push(
      `${indent}${type.padEnd(width)}  ${paint(state, status.padEnd(7))}  ${printable(why)}${stale}`.trimEnd(),
    );
  }
  return lines;
};

const yamlLines = async (value: unknown): Promise<string[]> =>
  (await toYaml(value))
    .trimEnd()
    .split('\n')
    .map((line) => `  ${printable(line)}`);

/** The status without what is shown as conditions. */
const restOfStatus = (resource: Resource): object => {
  const { conditions: _c, parents: _p, listeners: _l, ...rest } = (resource.status ?? {}) as Record<string, unknown>;
  return rest;
};

const describeOne = async (client: Client, kind: Kind, resource: Resource, terminal: Terminal): Promise<void> => {
  for (const line of factLines(kind, resource, systemClock.now())) terminal.print(line);
  const section = (title: string, lines: readonly string[]) => {
    if (lines.length === 0) return;
    terminal.print(`\n${title}:`);
    for (const line of lines) terminal.print(line);
  };
  section('Conditions', conditionLines(resource, paintWith(terminal.hasColour)));
  for (const [title, lines] of await relatedLines(client, resource, terminal)) section(title, lines);
  for (const [name, value] of Object.entries(contentOf(resource))) {
    if (typeof value === 'object') section(capital(name), await yamlLines(value));
  }
  const rest = restOfStatus(resource);
  if (Object.keys(rest).length) section('Status', await yamlLines(rest));
};

interface Options extends ConnectionOptions {
  readonly selector?: string;
}

const run = async (args: readonly string[], options: Options, terminal: Terminal): Promise<void> => {
  const wanted = parseWanted(args, 'weft describe httproute reviews');
  await withClient(options, terminal, async ({ client, namespace }) => {
    let shown = 0;
    for (const { kind, names } of wanted) {
      const scope = { namespace: kind.namespaced ? namespace : undefined };
      const found = names
        ? await Promise.all(
            names.map((name) => orNotFound(client, kind, name, scope.namespace, client.get(kind, name, scope))),
          )
        : (await client.list(kind, { ...scope, labelSelector: options.selector })).items;
      for (const resource of found) {
        if (shown++ > 0) terminal.print('\n');
        await describeOne(client, kind, resource, terminal);
      }
    }
    if (shown === 0) terminal.note(`No resources found in ${namespace} namespace.`);
  });
};

export const command = (terminal: Terminal): Command =>
  addConnectionOptions(
    newCommand('describe', 'Shows resources in full: state with reasons, what belongs to them, and the spec.', [
      'weft describe httproute reviews',
      'weft describe service/reviews',
      'weft describe workloads -l app=reviews',
    ])
      .argument('[kind...]', 'a kind, then names; or KIND/NAME')
      .usage('[options] KIND [NAME…] | KIND/NAME…'),
  )
    .addOption(namespaceOption())
    .option('-l, --selector LABELS', 'Only those with these labels.')
    .action((args: string[], options: Options) => run(args, options, terminal));
