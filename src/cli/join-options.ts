// How a proxy finds its control plane: the options of run and proxy.
import { type Command, Option } from 'commander';
import { defaultDataDir } from '../client/kubeconfig.ts';
import { hostPortFlag, localityFlag } from './flag-values.ts';
import type { Terminal } from './terminal.ts';

export interface JoinOptions {
  readonly dataDir: string;
  readonly control?: string;
  readonly rootCert?: string;
  readonly tokenFile?: string;
  readonly locality?: string;
}

export const addJoinOptions = (command: Command, terminal: Terminal): Command => {
  const group = 'Which network:';
  const options = [
    new Option('--data-dir DIR', 'State of the network on this machine.').default(defaultDataDir(terminal.env)),
    new Option('--control HOST:PORT', 'A control plane elsewhere (xDS over TLS), with the two below.').argParser(
      hostPortFlag('--control'),
    ),
    new Option('--root-cert FILE', "The network's root certificates, in PEM."),
    new Option('--token-file FILE', 'A join token: weft token create --service-account NAME.'),
    new Option('--locality REGION/ZONE', 'Where it is (and /SUBZONE): what is near is asked first.')
      .env('WEFT_LOCALITY')
      .argParser(localityFlag('--locality')),
  ];
  for (const option of options) command.addOption(option.helpGroup(group));
  return command;
};

/** The same options as words, for a process that this one starts. */
export const joinFlags = (options: JoinOptions): string[] => [
  `--data-dir=${options.dataDir}`,
  ...(options.control ? [`--control=${options.control}`] : []),
  ...(options.rootCert ? [`--root-cert=${options.rootCert}`] : []),
  ...(options.tokenFile ? [`--token-file=${options.tokenFile}`] : []),
  ...(options.locality ? [`--locality=${options.locality}`] : []),
];
