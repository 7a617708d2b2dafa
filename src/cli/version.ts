// `weft version`: the versions of this program and of the network it talks to.
import type { Command } from 'commander';
import { isWeftError, messageOf } from '../lib/errors.ts';
import { programVersion } from '../lib/version.ts';
import { newCommand } from './command.ts';
import { addConnectionOptions, type ConnectionOptions, withClient } from './connect.ts';
import { requireFormat } from './output-format.ts';
import type { Terminal } from './terminal.ts';

interface Options extends ConnectionOptions {
  readonly client?: boolean;
  readonly output?: string;
}

interface Versions {
  readonly client: string;
  readonly node: string;
  readonly server?: string;
  readonly api?: string;
  /** Why the server's version is not known. */
  readonly problem?: string;
}

const askServer = async (options: Options, terminal: Terminal): Promise<Partial<Versions>> => {
  try {
    let found: Partial<Versions> = {};
    await withClient(options, terminal, async ({ client }) => {
      found = { server: (await client.version()).gitVersion, api: client.connection.server };
    });
    return found;
  } catch (error) {
    // Without a network the program's own version is still the answer.
    if (isWeftError(error, 'USAGE')) throw error;
    return { problem: messageOf(error) };
  }
};

export const command = (terminal: Terminal): Command =>
  addConnectionOptions(
    newCommand('version', 'Shows the versions of this program and of the network it talks to.', [
      'weft version',
      'weft version --client',
    ]),
  )
    .option('--client', 'Only the version of this program.')
    .option('-o, --output FORMAT', 'Only json; a line per version without it.')
    .action(async (options: Options) => {
      const own = { client: programVersion(), node: process.versions.node };
      const versions: Versions = { ...own, ...(options.client ? {} : await askServer(options, terminal)) };
      if (options.output !== undefined) requireFormat(options.output, ['json']);
      if (options.output === 'json') {
        terminal.print(JSON.stringify(versions, null, 2));
        return;
      }
      terminal.print(`weft     ${versions.client} (Node ${versions.node})`);
      if (versions.server) terminal.print(`network  ${versions.server} at ${versions.api}`);
      if (versions.problem) terminal.print(`network  none: ${versions.problem}`);
    });
