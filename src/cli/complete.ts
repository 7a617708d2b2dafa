// Candidates for the word under the cursor: commands, options, kinds, names. The completion scripts call it on each Tab.
import type { Command } from 'commander';
import { openClient } from '../client/client.ts';
import { findConnection } from '../client/kubeconfig.ts';
import { commands } from './commands.ts';
import type { Terminal } from './terminal.ts';

const OF_KINDS = new Set(['get', 'describe', 'delete', 'edit', 'explain']);

const optionsOf = (command: Command): string[] => command.options.flatMap(({ long }) => (long ? [long] : []));

const valueAfter = (words: readonly string[], names: readonly string[]): string | undefined => {
  const at = words.findIndex((word) => names.includes(word));
  return at === -1 ? undefined : words[at + 1];
};

/** Names of a kind, asked from the network; none when that can't be done at once. */
const namesOf = async (kindName: string, words: readonly string[], terminal: Terminal): Promise<string[]> => {
  const { findKindByName } = await import('../kinds/registry.ts');
  const kind = findKindByName(kindName);
  if (!kind) return [];
  const dataDir = valueAfter(words, ['--data-dir']);
  const kubeconfig = valueAfter(words, ['--kubeconfig']);
  const connection = findConnection({ ...(dataDir && { dataDir }), ...(kubeconfig && { kubeconfig }) }, terminal.env);
  const client = openClient(connection);
  try {
    const namespace = valueAfter(words, ['-n', '--namespace']) ?? connection.namespace ?? 'default';
    const { items } = await client.list(kind, { namespace: kind.namespaced ? namespace : undefined });
    return items.map(({ metadata }) => metadata.name);
  } finally {
    client.close();
  }
};

const kindCandidates = async (): Promise<string[]> => {
  const { kinds } = await import('../kinds/registry.ts');
  return kinds.flatMap(({ plural, shortNames }) => [plural, ...shortNames.filter((name) => name.length > 5)]);
};

/** All candidates at this place; the shell keeps those that begin as the current word does. */
const candidatesFor = async (words: readonly string[], terminal: Terminal): Promise<string[]> => {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const entry = commands.find(({ name }) => name === before[0]);
  if (!entry) return before.length === 0 ? commands.map(({ name }) => name) : [];
  const command = (await entry.load()).command(terminal);
  const sub = command.commands.find((one) => one.name() === before[1]);
  if (current.startsWith('-')) return [...optionsOf(sub ?? command), '--help'];
  if (command.commands.length && !sub) return command.commands.map((one) => one.name());
  if (entry.name === 'completion') return before.length === 1 ? ['bash', 'zsh', 'fish'] : [];
  if (entry.name === 'proxy-config') {
    const { proxyConfigParts } = await import('./proxy-config.ts');
    return before.length === 1 ? [...proxyConfigParts] : namesOf('workloads', before, terminal);
  }
  if (before.at(-1) === '-o' || before.at(-1) === '--output') return ['yaml', 'json', 'wide', 'name'];
  if (!OF_KINDS.has(entry.name)) return [];
  const targets = before.slice(1).filter((word) => !word.startsWith('-'));
  if (targets.length === 0) return kindCandidates();
  return entry.name === 'explain' ? [] : namesOf(targets[0]!, before, terminal);
};

/** Prints the candidates that fit, one per line. Says nothing when something fails: the user is typing. */
export const printCandidates = async (args: readonly string[], terminal: Terminal): Promise<void> => {
  const words = args[0] === '--' ? args.slice(1) : args;
  try {
    const current = words.at(-1) ?? '';
    for (const one of await candidatesFor(words, terminal)) if (one.startsWith(current)) terminal.print(one);
  } catch {
    terminal.exitCode = 1;
  }
};
