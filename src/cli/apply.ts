// `weft apply`: checks all manifests first, then creates or changes the resources, then says which were not accepted.
import type { Command } from 'commander';
import { type Applied, applyResource } from '../client/apply.ts';
import type { Client } from '../client/client.ts';
import { kinds } from '../kinds/registry.ts';
import type { ManifestProblem } from '../kinds/yaml.ts';
import { systemClock } from '../lib/clock.ts';
import { formatError, WeftError } from '../lib/errors.ts';
import { checkManifests, type Planned } from './apply-plan.ts';
import { newCommand } from './command.ts';
import { addConnectionOptions, type ConnectionOptions, namespaceOption, withClient } from './connect.ts';
import { repeated } from './flag-values.ts';
import { kindPrefix } from './kind-names.ts';
import { printProblems, printWarnings, readManifests } from './manifest-files.ts';
import { requireFormat } from './output-format.ts';
import { openProgress } from './progress.ts';
import { awaitStatus, statusWarnings, type WrittenResource } from './status-wait.ts';
import type { Terminal } from './terminal.ts';

interface Options extends ConnectionOptions {
  readonly filename?: readonly string[];
  readonly dryRun?: string | true;
  readonly validate: string;
  readonly wait: boolean;
}

type DryRun = 'server' | 'client' | undefined;

const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`;

const nameOf = ({ kind, resource }: Pick<Planned, 'kind' | 'resource'>): string =>
  `${kindPrefix(kind)}/${resource.metadata.name}`;

const labelOf = (planned: Planned): string => `${nameOf(planned)} (${planned.file}:${planned.line})`;

const dryRunOf = (options: Options): DryRun => {
  if (options.dryRun === undefined || options.dryRun === 'none') return undefined;
  if (options.dryRun === true || options.dryRun === 'server') return 'server';
  if (options.dryRun === 'client') return 'client';
  throw new WeftError('USAGE', `--dry-run "${options.dryRun}" is not one of server, client, none`, {
    hint: '--dry-run=server',
  });
};

/** A problem of one resource in the form of every error, with its place in the files. */
const located = (planned: Planned, error: unknown): string => {
  if (!(error instanceof WeftError)) return formatError(error);
  const at = `${planned.file}:${planned.line} (${nameOf(planned)})`;
  return formatError(new WeftError(error.code, error.message, { at, ...(error.hint && { hint: error.hint }) }));
};

// Trouble with the API itself, not with one resource: it would only repeat.
const isConnection = (error: unknown): boolean =>
  !(error instanceof WeftError) ||
  /^(CLIENT_|API_(UNAUTHORIZED|TOKEN_EXPIRED|FORBIDDEN|STORE_FULL|UNAVAILABLE))/.test(error.code);

class Run {
  readonly #client: Client;
  readonly #terminal: Terminal;
  readonly #settings: { readonly dryRun: DryRun; readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore' };

  constructor(
    client: Client,
    terminal: Terminal,
    settings: { dryRun: DryRun; fieldValidation: 'Strict' | 'Warn' | 'Ignore' },
  ) {
    this.#client = client;
    this.#terminal = terminal;
    this.#settings = settings;
  }

  /** Asks the API to check everything without writing. Answers what it found unchanged; undefined when it refused. */
  async check(plan: readonly Planned[]): Promise<Map<Planned, Applied> | undefined> {
    // Nothing can be checked inside a namespace that this very run makes.
    const made = new Set(
      plan.filter(({ kind }) => kind.kind === 'Namespace').map(({ resource }) => resource.metadata.name),
    );
    const unchanged = new Map<Planned, Applied>();
    const progress = openProgress(this.#terminal, systemClock);
    let refused = 0;
    for (const [i, planned] of plan.entries()) {
      if (made.has(planned.resource.metadata.namespace ?? '')) continue;
      progress.update(`checking ${i + 1} of ${plan.length}: ${nameOf(planned)}`);
      try {
        const applied = await this.#apply(planned, 'server');
        if (applied.outcome === 'unchanged') unchanged.set(planned, applied);
      } catch (error) {
        progress.clear();
        if (isConnection(error)) throw error;
        this.#terminal.note(located(planned, error));
        refused++;
      }
    }
    progress.clear();
    if (refused === 0) return unchanged;
    this.#terminal.note(`${count(refused, 'resource')} refused; nothing was applied`);
    return undefined;
  }

  /** Writes one after the other; stops at the first failure and says what was done and what was not. */
  async write(
    plan: readonly Planned[],
    unchanged: ReadonlyMap<Planned, Applied>,
  ): Promise<WrittenResource[] | undefined> {
    const terminal = this.#terminal;
    const { dryRun } = this.#settings;
    const interrupted = terminal.onInterrupt();
    const suffix = dryRun === 'server' ? ' (server dry run)' : dryRun === 'client' ? ' (dry run)' : '';
    const progress = openProgress(terminal, systemClock);
    const written: WrittenResource[] = [];
    for (const [i, planned] of plan.entries()) {
      try {
        if (interrupted.aborted) throw new WeftError('INTERRUPTED', 'stopped by Ctrl-C');
        progress.update(`applying ${i + 1} of ${plan.length}: ${nameOf(planned)}`);
        const applied = unchanged.get(planned) ?? (await this.#apply(planned, dryRun));
        progress.clear();
        terminal.print(`${nameOf(planned)} ${applied.outcome}${suffix}`);
        for (const warning of applied.warnings) terminal.note(`warning: ${nameOf(planned)}: ${warning}`);
        written.push({ kind: planned.kind, resource: applied.resource });
      } catch (error) {
        progress.clear();
        terminal.note(located(planned, error));
        this.#reportPartial(plan, i);
        return undefined;
      }
    }
    return written;
  }

  #reportPartial(plan: readonly Planned[], at: number): void {
    const rest = plan.slice(at);
    if (this.#settings.dryRun !== undefined) return;
    this.#terminal.note(`${at} of ${count(plan.length, 'resource')} applied, as printed above; not applied:`);
    for (const planned of rest) this.#terminal.note(`  ${labelOf(planned)}`);
  }

  #apply(planned: Planned, dryRun: DryRun): Promise<Applied> {
    const { fieldValidation } = this.#settings;
    return applyResource(this.#client, planned.type, planned.resource, { dryRun, fieldValidation });
  }
}

const VALIDATION = { strict: 'Strict', warn: 'Warn', ignore: 'Ignore' } as const;

/** Prints what is wrong in the files; answers whether the run may go on. */
const passFiles = (
  problems: readonly ManifestProblem[],
  mode: keyof typeof VALIDATION,
  files: number,
  terminal: Terminal,
): boolean => {
  const errors = problems.filter(({ severity }) => severity === 'error' || mode === 'strict');
  if (errors.length === 0) {
    if (mode === 'warn') printWarnings(problems, terminal);
    return true;
  }
  printProblems(errors, terminal);
  terminal.note(`${count(errors.length, 'problem')} in ${count(files, 'file')}; nothing was applied`);
  terminal.exitCode = 1;
  return false;
};

const run = async (options: Options, terminal: Terminal): Promise<void> => {
  const { filename: paths = [] } = options;
  if (paths.length === 0) throw new WeftError('USAGE', 'name the files', { hint: 'weft apply -f FILE' });
  const mode = requireFormat(options.validate, ['strict', 'warn', 'ignore'], '--validate');
  const dryRun = dryRunOf(options);
  const set = await readManifests(paths, terminal);
  await withClient(options, terminal, async ({ client, namespace }) => {
    const { plan, problems } = checkManifests(set.manifests, {
      namespace,
      isExplicit: options.namespace !== undefined,
      kinds,
    });
    if (!passFiles([...set.problems, ...problems], mode, set.files, terminal)) return;
    if (plan.length === 0)
      throw new WeftError('NO_RESOURCES', 'there is no resource in the files', {
        at: paths.map((path) => (path === '-' ? 'standard input' : path)).join(', '),
      });
    const work = new Run(client, terminal, { dryRun, fieldValidation: VALIDATION[mode] });
    const unchanged = dryRun === undefined && plan.length > 1 ? await work.check(plan) : new Map();
    const written = unchanged && (await work.write(plan, unchanged));
    if (!written) {
      terminal.exitCode ||= 1;
      return;
    }
    if (dryRun !== undefined || !options.wait) return;
    for (const one of await awaitStatus(client, written, systemClock)) {
      for (const warning of statusWarnings(one)) terminal.note(`warning: ${nameOf(one)}: ${warning}`);
    }
  });
};

export const command = (terminal: Terminal): Command =>
  addConnectionOptions(
    newCommand('apply', 'Creates or changes resources from files; checks all of them first.', [
      'weft apply -f examples/tour/split.yaml',
      'weft apply -f shop/ --dry-run=server',
      'generate-routes | weft apply -f -',
    ]),
  )
    .option(
      '-f, --filename PATH',
      'A file, a folder with all below it, or "-" for standard input. Repeatable.',
      repeated,
    )
    .addOption(namespaceOption())
    .option('--dry-run [MODE]', 'Only say what would happen: server (the API checks it), or client.')
    .option('--no-wait', 'Do not wait a moment for the status of what was applied.')
    .option('--validate MODE', 'Unknown fields: strict refuses them, warn, or ignore.', 'strict')
    .action((options: Options) => run(options, terminal));
