// Finds the command, loads it, runs it, and turns what it throws into lines and an exit code. Called by main.ts.
import { type Command, CommanderError } from 'commander';
import { formatError, isWeftError, messageOf, WeftError } from '../lib/errors.ts';
import { nearestName } from '../lib/names.ts';
import { type CommandEntry, commands } from './commands.ts';
import type { Terminal } from './terminal.ts';

// Options that may stand in front of the command and take a value.
const WITH_VALUE = new Set([
  '-n',
  '--namespace',
  '--kubeconfig',
  '--context',
  '--data-dir',
  '--server',
  '--token-file',
  '--ca-file',
]);

/** Moves the command's name to the front: `-n shop get services` is `get -n shop services`. */
export const commandFirst = (args: readonly string[]): string[] => {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (!arg.startsWith('-') || arg === '-') return [arg, ...args.slice(0, i), ...args.slice(i + 1)];
    if (WITH_VALUE.has(arg)) i++;
  }
  return [...args];
};

const formatCommands = (): string => {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const groups = new Map<string, string[]>();
  for (const { name, summary, group } of commands) {
    groups.set(group, [...(groups.get(group) ?? []), `  ${name.padEnd(width)}  ${summary}`]);
  }
  return [...groups].map(([group, lines]) => `${group}:\n${lines.join('\n')}`).join('\n\n');
};

const globalHelp = (): string => `Weft connects services: gateways, mutual TLS between workloads, policy, live traffic.

Examples:
  weft up                        start a network with a demo
  weft get services,workloads    see what is in it
  weft flows                     see who calls whom

${formatCommands()}

"weft COMMAND --help" shows the examples and options of a command.
`;

const unknownCommand = (name: string): WeftError => {
  const nearest = nearestName(
    name,
    commands.map((entry) => entry.name),
  );
  return new WeftError('USAGE', `unknown command "${name}"`, {
    hint: nearest ? `weft ${nearest}` : '"weft --help" lists the commands',
  });
};

/** Commander's own message in Weft's form: `error: unknown option '--fllow'\n(Did you mean --follow?)`. */
const usageError = (error: CommanderError, name: string): WeftError => {
  const [first = '', ...rest] = error.message.split('\n');
  const nearest = /\(Did you mean (?:one of )?(.+)\?\)/.exec(rest.join(' '))?.[1];
  return new WeftError('USAGE', first.replace(/^error: /, ''), {
    hint: nearest ?? `weft ${name} --help`,
    cause: error,
  });
};

const quiet = (command: Command, terminal: Terminal): void => {
  command.exitOverride().configureOutput({ writeOut: (text) => terminal.write(text), writeErr: () => {} });
  for (const sub of command.commands) quiet(sub, terminal);
};

const runCommand = async (entry: CommandEntry, args: readonly string[], terminal: Terminal): Promise<void> => {
  const module = await entry.load();
  const command = module.command(terminal);
  quiet(command, terminal);
  // The parent's name, so that usage lines say `weft get`.
  command.name(`weft ${entry.name}`);
  try {
    await command.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // A command without its subcommand shows its help: that is no success.
    if (error.code === 'commander.help') {
      throw new WeftError(
        'USAGE',
        `"weft ${entry.name}" needs a command behind it: ${command.commands.map((sub) => sub.name()).join(', ')}`,
        { hint: `weft ${entry.name} --help` },
      );
    }
    if (error.exitCode !== 0) {
      const sub = command.commands.find((one) => one.name() === args[0]);
      throw usageError(error, sub ? `${entry.name} ${sub.name()}` : entry.name);
    }
  }
};

const dispatch = async (args: readonly string[], terminal: Terminal): Promise<void> => {
  const [first, ...rest] = commandFirst(args);
  if (first === undefined || first === '--help' || first === '-h' || (first === 'help' && !rest.length)) {
    terminal.write(globalHelp());
    return;
  }
  const name = first === 'help' ? rest[0]! : first === '--version' || first === '-V' ? 'version' : first;
  const entry = commands.find((known) => known.name === name);
  if (entry) return runCommand(entry, first === 'help' ? ['--help'] : rest, terminal);
  if (name === '__complete') return (await import('./complete.ts')).printCandidates(rest, terminal);
  if (name.startsWith('-')) throw new WeftError('USAGE', `unknown option "${name}"`, { hint: 'weft --help' });
  throw unknownCommand(name);
};

/** Runs one command line; answers the exit code. 1: it failed, 2: it was written wrong. */
export const runProgram = async (args: readonly string[], terminal: Terminal): Promise<number> => {
  try {
    await dispatch(args, terminal);
    return terminal.exitCode;
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return terminal.exitCode || 130;
    terminal.note(formatError(error));
    // What is not a WeftError is a fault of Weft itself: only then the stack helps, and only on request.
    if (!(error instanceof WeftError) && terminal.env.WEFT_DEBUG)
      terminal.note((error as Error).stack ?? messageOf(error));
    return isWeftError(error, 'USAGE') ? 2 : 1;
  }
};
