// `weft delete`: resources by name, by label, or those that files name.
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import type { Kind } from '../kinds/kind.ts';
import { formatError, isWeftError, WeftError } from '../lib/errors.ts';
import { planOne } from './apply-plan.ts';
import { newCommand } from './command.ts';
import { addConnectionOptions, type ConnectionOptions, namespaceOption, withClient } from './connect.ts';
import { repeated } from './flag-values.ts';
import { kindPrefix, parseWanted } from './kind-names.ts';
import { printProblems, readManifests } from './manifest-files.ts';
import { orNotFound } from './not-found.ts';
import type { Terminal } from './terminal.ts';

interface Options extends ConnectionOptions {
  readonly filename?: readonly string[];
  readonly selector?: string;
  readonly all?: boolean;
  readonly ignoreNotFound?: boolean;
  readonly dryRun?: boolean;
}

interface Doomed {
  readonly kind: Kind;
  readonly name: string;
  readonly namespace: string | undefined;
}

const example = 'weft delete httproute reviews';

const fromArguments = async (
  client: Client,
  args: readonly string[],
  options: Options,
  namespace: string,
): Promise<Doomed[]> => {
  const found: Doomed[] = [];
  for (const { kind, names } of parseWanted(args, example)) {
    const scope = { namespace: kind.namespaced ? namespace : undefined };
    if (names) {
      found.push(...names.map((name) => ({ kind, name, ...scope })));
      continue;
    }
    const { items } = await client.list(kind, { ...scope, labelSelector: options.selector });
    found.push(...items.map(({ metadata }) => ({ kind, name: metadata.name, ...scope })));
  }
  return found;
};

/** The resources that files name, last first; a manifest need not be valid to name one. */
const fromFiles = async (options: Options, namespace: string, terminal: Terminal): Promise<Doomed[] | undefined> => {
  const set = await readManifests(options.filename ?? [], terminal);
  const unreadable = set.problems.filter(({ code }) => code.startsWith('YAML_') || code === 'UNKNOWN_KIND');
  if (unreadable.length) {
    printProblems(unreadable, terminal);
    terminal.note('nothing was deleted');
    return undefined;
  }
  return set.manifests
    .filter(({ resource }) => resource.metadata.name)
    .map((manifest) => {
      const { metadata } = planOne(manifest, namespace).resource;
      return { kind: manifest.kind, name: metadata.name, namespace: metadata.namespace };
    })
    .reverse();
};

const deleteAll = async (
  client: Client,
  doomed: readonly Doomed[],
  options: Options,
  terminal: Terminal,
): Promise<void> => {
  for (const { kind, name, namespace } of doomed) {
    try {
      const request = client.delete(kind, name, { namespace, dryRun: options.dryRun });
      await orNotFound(client, kind, name, namespace, request);
      terminal.print(`${kindPrefix(kind)} "${name}" deleted${options.dryRun ? ' (server dry run)' : ''}`);
    } catch (error) {
      if (!isWeftError(error, 'API_NOT_FOUND') && !isWeftError(error, 'API_FORBIDDEN')) throw error;
      if (options.ignoreNotFound && isWeftError(error, 'API_NOT_FOUND')) continue;
      // The others are still deleted; the exit code tells.
      terminal.note(formatError(error));
      terminal.exitCode = 1;
    }
  }
};

const requireTarget = (args: readonly string[], options: Options): void => {
  const hasFiles = (options.filename?.length ?? 0) > 0;
  if (hasFiles && (args.length || options.selector || options.all)) {
    throw new WeftError('USAGE', "-f stands alone: names and labels can't be added", { hint: 'weft delete -f FILE' });
  }
  if (hasFiles) return;
  const wanted = parseWanted(args, example);
  if (wanted.some(({ names }) => !names) && !options.selector && !options.all) {
    throw new WeftError('USAGE', 'name what to delete: names, labels with -l, or --all', { hint: example });
  }
};

const run = async (args: readonly string[], options: Options, terminal: Terminal): Promise<void> => {
  requireTarget(args, options);
  await withClient(options, terminal, async ({ client, namespace }) => {
    const doomed = options.filename
      ? await fromFiles(options, namespace, terminal)
      : await fromArguments(client, args, options, namespace);
    if (doomed === undefined) terminal.exitCode = 1;
    else if (doomed.length === 0) terminal.note('No resources found');
    else await deleteAll(client, doomed, options, terminal);
  });
};

export const command = (terminal: Terminal): Command =>
  addConnectionOptions(
    newCommand('delete', 'Deletes resources.', [
      'weft delete httproute reviews',
      'weft delete -f examples/tour/split.yaml',
      'weft delete workloads -l app=reviews,version=v1',
    ])
      .argument('[kind...]', 'a kind, then names; or KIND/NAME')
      .usage('[options] KIND NAME… | KIND/NAME… | -f PATH'),
  )
    .option('-f, --filename PATH', 'Those that a file, a folder, or "-" names. Repeatable.', repeated)
    .addOption(namespaceOption())
    .option('-l, --selector LABELS', 'Those with these labels.')
    .option('--all', 'All of the kind in the namespace.')
    .option('--ignore-not-found', 'What does not exist is no failure.')
    .option('--dry-run', 'Only say what would be deleted.')
    .action((args: string[], options: Options) => run(args, options, terminal));
