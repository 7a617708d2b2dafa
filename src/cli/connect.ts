// The options of every command that talks to the API, and the client they open.
import { Option } from 'commander';
import { type Client, openClient } from '../client/client.ts';
import { type ConnectionSource, findConnection } from '../client/kubeconfig.ts';
import type { CliCommand } from './command.ts';
import type { Terminal } from './terminal.ts';

export interface ConnectionOptions extends ConnectionSource {
  readonly namespace?: string;
}

const CONNECTION: readonly (readonly [string, string])[] = [
  ['--data-dir DIR', 'Use the network whose state is kept there.'],
  ['--kubeconfig FILE', 'Use the network of this kubeconfig.'],
  ['--context NAME', 'Use this context of the kubeconfig.'],
  ['--server URL', 'Use the API at this URL, with --token-file and --ca-file.'],
  ['--token-file FILE', 'File with the token for --server.'],
  ['--ca-file FILE', 'File with the certificate authority of --server, in PEM.'],
];

/** Adds `--kubeconfig` and its like. */
export const addConnectionOptions = (command: CliCommand): CliCommand => {
  for (const [flags, description] of CONNECTION) {
    command.addOption(new Option(flags, description).helpGroup('Which network:'));
  }
  return command;
};

export const namespaceOption = (): Option =>
  new Option('-n, --namespace NAME', 'Namespace to work in; else that of the kubeconfig, else default.');

export interface Connected {
  readonly client: Client;
  readonly namespace: string;
}

/** Opens the client, runs `work`, closes the client. */
export const withClient = async (
  options: ConnectionOptions,
  terminal: Terminal,
  work: (connected: Connected) => Promise<void>,
): Promise<void> => {
  const connection = findConnection(options, terminal.env);
  const client = openClient(connection);
  try {
    await work({ client, namespace: options.namespace ?? connection.namespace ?? 'default' });
  } finally {
    client.close();
  }
};
