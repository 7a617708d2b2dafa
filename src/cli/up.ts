// `weft up`: the whole network on this machine.
import type { Command } from 'commander';
import type { UpOptions } from '../app/up.ts';
import { defaultDataDir } from '../client/kubeconfig.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLog, systemLog } from '../lib/log.ts';
import { newCommand } from './command.ts';
import { addGatewayAddressesOptions, addPortOptions, addSvidTtlOption, svidTtlOf } from './control.ts';
import { concurrencyOption, engineOption, envoyOption } from './engine-options.ts';
import type { Terminal } from './terminal.ts';

const run = async (options: UpOptions & { verbose?: boolean; svidTtl?: number }, terminal: Terminal): Promise<void> => {
  terminal.endsWithReader = false;
  const { runUp } = await import('../app/up.ts');
  const log = options.verbose ? systemLog('up', 'debug') : silentLog;
  const deps = { clock: systemClock, log, print: terminal.print };
  terminal.exitCode = await runUp({ ...options, ...svidTtlOf(options) }, deps);
};

export const command = (terminal: Terminal): Command => {
  const command = newCommand('up', 'Starts the whole network on this machine: control plane, gateway, and a demo.', [
    'weft up',
    'weft up --no-demo',
    'weft up --engine envoy',
  ]);
  command
    .option('--data-dir DIR', 'Where state is kept.', defaultDataDir(terminal.env))
    .addOption(engineOption())
    .addOption(envoyOption())
    .addOption(concurrencyOption())
    .option('--no-demo', 'Start without the demo.')
    .option('--verbose', 'Show what the supervisor does.');
  addGatewayAddressesOptions(command);
  addSvidTtlOption(command);
  addPortOptions(command);
  addPortOptions(command, [['gateway', "The demo's gateway", 8080]]);
  return command.action((options: UpOptions) => run(options, terminal));
};
