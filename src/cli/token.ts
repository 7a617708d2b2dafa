// `weft token`: tokens for service accounts, by which workloads on this or another machine join the mesh.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { findKubeconfig } from '../client/kubeconfig.ts';
import { WeftError } from '../lib/errors.ts';
import { type CliCommand, newCommand } from './command.ts';
import { addConnectionOptions, type ConnectionOptions, namespaceOption, withClient } from './connect.ts';
import { requireFormat } from './output-format.ts';
import type { Terminal } from './terminal.ts';
import { parseSpan } from './units.ts';

interface CreateOptions extends ConnectionOptions {
  readonly serviceAccount: string;
  readonly duration: string;
  readonly audience?: string;
  readonly output?: string;
}

const create = async (options: CreateOptions, terminal: Terminal): Promise<void> => {
  const ms = parseSpan(options.duration);
  if (ms === undefined || ms < 1000) {
    throw new WeftError('USAGE', `--duration "${options.duration}" is not a span of time`, { hint: '--duration 1h' });
  }
  if (options.output !== undefined) requireFormat(options.output, ['json']);
  await withClient(options, terminal, async ({ client, namespace }) => {
    const issued = await client.createToken(namespace, options.serviceAccount, {
      seconds: Math.round(ms / 1000),
      audience: options.audience,
    });
    const token = issued.token.reveal();
    if (options.output === 'json') terminal.print(JSON.stringify({ token, expires: issued.expires }, null, 2));
    else terminal.print(token);
    if (terminal.isScreen)
      terminal.note(`valid until ${issued.expires}; whoever has it joins as ${namespace}/${options.serviceAccount}`);
  });
};

// The file, not what is in it: a terminal's scroll-back is no place for the key to everything.
const show = (options: ConnectionOptions, terminal: Terminal): void => {
  const kubeconfig = findKubeconfig(options, terminal.env);
  const token = join(dirname(kubeconfig), 'tokens', 'admin.token');
  terminal.print(`kubeconfig   ${kubeconfig}`);
  if (existsSync(token)) terminal.print(`admin token  ${token}`);
};

const createCommand = (terminal: Terminal): CliCommand => {
  const command = newCommand('token create', 'Makes a token by which a workload joins as a service account.', [
    'weft token create --service-account reviews',
    'weft token create --service-account reviews -n shop --duration 24h > join.token',
  ]);
  command
    .requiredOption('--service-account NAME', 'The service account that the workload will be.')
    .addOption(namespaceOption())
    .option('--duration SPAN', 'How long it is valid, e.g. 30m, 24h.', '1h')
    .option('--audience NAME', 'Who it is for; the authority of the mesh unless told otherwise.')
    .option('-o, --output FORMAT', 'Only json; the bare token without it.')
    .action((options: CreateOptions) => create(options, terminal));
  return addConnectionOptions(command);
};

const showCommand = (terminal: Terminal): CliCommand => {
  const command = newCommand('token show', 'Shows where the admin token and the kubeconfig are kept.', [
    'weft token show',
  ]);
  command.action((options: ConnectionOptions) => show(options, terminal));
  return addConnectionOptions(command);
};

export const command = (terminal: Terminal): Command => {
  const command = newCommand('token', 'Makes tokens by which workloads join the mesh.', [
    'weft token create --service-account reviews --duration 1h',
    'weft token show',
  ]);
  return command.addCommand(createCommand(terminal)).addCommand(showCommand(terminal));
};
