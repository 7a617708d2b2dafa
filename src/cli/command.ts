// What every command file builds on: a commander command with examples, whose help shows these first.
import { Command, type Help, type Option } from 'commander';

export class CliCommand extends Command {
  readonly examples: string[] = [];

  override createCommand(name?: string): CliCommand {
    return new CliCommand(name);
  }

  /** A word behind the flag is its value, as the help shows it: `--data-dir DIR`; `--dry-run [MODE]` may have one. */
  override addOption(option: Option): this {
    const value = /\s(\S+)$/.exec(option.flags)?.[1];
    if (value !== undefined && !value.startsWith('-')) {
      option.optional = /^\[[^\]]*\]$/.test(value);
      option.required = !option.optional;
    }
    return super.addOption(option);
  }
}

const formatPairs = (pairs: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...pairs.map(([term]) => term.length));
  return pairs.map(([term, text]) => (text ? `  ${term.padEnd(width)}  ${text}` : `  ${term}`)).join('\n');
};

/** ` (weft, envoy; default weft)`: what an option takes, and what holds without it. */
const limitsOf = ({ argChoices = [], defaultValue }: Option): string => {
  const hasDefault = typeof defaultValue === 'string' || typeof defaultValue === 'number';
  const parts = [argChoices.join(', '), hasDefault ? `default ${defaultValue}` : ''].filter((part) => part !== '');
  return parts.length ? ` (${parts.join('; ')})` : '';
};

/** Options under their headings: a command's own first, those that many commands share behind them. */
const optionSections = (command: Command, help: Help): string[] => {
  const groups = new Map<string, [string, string][]>([['Options:', []]]);
  for (const option of help.visibleOptions(command)) {
    const heading = option.helpGroupHeading ?? 'Options:';
    const pairs = groups.get(heading) ?? [];
    pairs.push([help.optionTerm(option), `${option.description}${limitsOf(option)}`]);
    groups.set(heading, pairs);
  }
  return [...groups].map(([heading, pairs]) => `${heading}\n${formatPairs(pairs)}`);
};

const formatHelp = (command: Command, help: Help): string => {
  const examples = command instanceof CliCommand ? command.examples : [];
  const commands = help.visibleCommands(command).filter((sub) => sub.name() !== 'help');
  const pairs = commands.map((sub): [string, string] => [help.subcommandTerm(sub), sub.description()]);
  const sections = [
    command.description(),
    examples.length ? `Examples:\n${examples.map((line) => `  ${line}`).join('\n')}` : '',
    `Usage: ${help.commandUsage(command)}`,
    pairs.length ? `Commands:\n${formatPairs(pairs)}` : '',
    ...optionSections(command, help),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
};

/**
 * A command of weft. `summary` is one sentence that says what it does; `examples` are the two or three commonest lines.
 * The name may have a parent in front: `token create`.
 */
export const newCommand = (name: string, summary: string, examples: readonly string[]): CliCommand => {
  const words = name.split(' ');
  const command = new CliCommand(words.at(-1));
  command.description(summary);
  command.examples.push(...examples);
  command.configureHelp({ formatHelp });
  command.helpOption('-h, --help', 'Show this help.');
  return command;
};
