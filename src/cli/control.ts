// `weft control`: the control plane alone.
import { type Command, Option } from 'commander';
import type { ControlPlaneOptions } from '../app/control-plane.ts';
import { defaultDataDir } from '../client/kubeconfig.ts';
import { systemLog } from '../lib/log.ts';
import { newCommand } from './command.ts';
import { portFlag } from './flag-values.ts';
import type { Terminal } from './terminal.ts';

const PORTS: readonly (readonly [name: string, what: string, port: number])[] = [
  ['api', 'The API over TLS, for weft and kubectl', 7443],
  ['browser', 'The console, for a browser on this machine', 7070],
  ['xds', 'xDS in plain text, loopback only', 15010],
  ['xds-tls', 'xDS, certificates and telemetry of proxies', 15012],
];

/** Adds `--api-port` and its like, with the ports that the field is used to. */
export const addPortOptions = (command: Command, ports = PORTS): Command => {
  for (const [name, what, port] of ports) {
    const flag = `--${name}-port`;
    command.addOption(new Option(`${flag} PORT`, `${what}; 0 for any.`).default(port).argParser(portFlag(flag)));
  }
  return command;
};

const run = async (options: ControlPlaneOptions, terminal: Terminal): Promise<void> => {
  const { runControlPlane } = await import('../app/control-plane.ts');
  terminal.exitCode = await runControlPlane(options, systemLog('control'), terminal.print);
};

export const command = (terminal: Terminal): Command => {
  const command = newCommand(
    'control',
    'Runs the control plane alone: API, store, xDS, certificate authority and telemetry.',
    ['weft control', 'weft control --data-dir /var/lib/weft --bind-address 192.0.2.7'],
  );
  command
    .option('--data-dir DIR', 'Where state is kept.', defaultDataDir(terminal.env))
    .option('--bind-address IP', 'Where the TLS ports listen; the others stay on loopback.', '127.0.0.1');
  return addPortOptions(command).action((options: ControlPlaneOptions) => run(options, terminal));
};
