// `weft proxy`: one data-plane process. `weft up` and `weft run` start these; a gateway also runs alone.
import { isIP } from 'node:net';
import { type Command, Option } from 'commander';
import { WeftError } from '../lib/errors.ts';
import { switchedLog } from '../lib/log.ts';
import { parseLogFormat } from '../lib/log-format.ts';
import type { LocalPort, SocketAddress } from '../model/node.ts';
import { newCommand } from './command.ts';
import { addDnsOptions, checkDnsFlags, type DnsFlags } from './dns-options.ts';
import {
  concurrencyOption,
  type DrainFlags,
  drainOptions,
  drainSettingsOf,
  engineOption,
  envoyOption,
  hboneOption,
  hbonePortOf,
  PROXY,
} from './engine-options.ts';
import { labelFlag, localPortFlag, namedPortFlag, nameFlag, portFlag, socketFlag } from './flag-values.ts';
import { addJoinOptions, type JoinOptions } from './join-options.ts';
import { rateLimitOptions } from './rate-limit-options.ts';
import type { Terminal } from './terminal.ts';

interface ProxyFlags extends DnsFlags, JoinOptions, DrainFlags {
  readonly role: 'sidecar' | 'gateway';
  readonly engine: 'weft' | 'envoy';
  readonly envoy?: string;
  readonly resources?: string;
  readonly accessLog?: string;
  readonly accessLogFormat?: string;
  readonly rateLimitRedis?: string;
  readonly rateLimitFailClosed?: boolean;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly port?: Readonly<Record<string, number>>;
  readonly localPort?: readonly LocalPort[];
  readonly appAddress: string;
  readonly inbound?: SocketAddress;
  readonly hbonePort?: number | 'off';
  readonly outbound?: SocketAddress;
  readonly gateway?: string;
  readonly bindAddress: string;
  readonly adminPort?: number;
  readonly readyPort?: number;
  readonly concurrency?: number | 'auto';
  readonly quiet?: boolean;
}

const run = async (flags: ProxyFlags, terminal: Terminal): Promise<void> => {
  terminal.endsWithReader = false;
  const { log, logLevel } = switchedLog('proxy', flags.quiet ? 'warn' : 'info');
  if (flags.accessLogFormat !== undefined && flags.accessLog === undefined) {
    throw new WeftError('USAGE', '--access-log-format needs --access-log', { hint: 'weft proxy … --access-log -' });
  }
  if (flags.resources !== undefined) {
    if (flags.role !== 'gateway') {
      throw new WeftError('USAGE', '--resources is for gateways', {
        hint: 'weft proxy --role gateway --resources DIR',
      });
    }
    const { runStandalone } = await import('../app/standalone.ts');
    terminal.exitCode = await runStandalone(
      { ...flags, ...drainSettingsOf(flags), resources: flags.resources, logLevel },
      log,
    );
    return;
  }
  if (flags.accessLog !== undefined || flags.accessLogFormat !== undefined) {
    throw new WeftError('USAGE', '--access-log is for gateways with --resources', {
      hint: 'weft flows (it shows the traffic of a network)',
    });
  }
  if (flags.rateLimitFailClosed) {
    throw new WeftError('USAGE', '--rate-limit-fail-closed is for gateways with --resources', {
      hint: 'give it to weft control',
    });
  }
  checkDnsFlags(flags);
  const { runProxy } = await import('../app/data-plane.ts');
  const { label: labels = {}, port: ports = {}, localPort: localPorts = [], hbonePort: _, ...rest } = flags;
  const hbonePort = hbonePortOf(flags);
  const serviceAccount = flags.serviceAccount ?? flags.name;
  terminal.exitCode = await runProxy(
    {
      ...rest,
      ...(hbonePort !== undefined && { hbonePort }),
      ...drainSettingsOf(flags),
      labels,
      ports,
      localPorts,
      serviceAccount,
      logLevel,
    },
    log,
  );
};

const gatewayFlag = (value: string): string => {
  if (/^[a-z0-9-]{1,63}\/[a-z0-9.-]{1,253}$/.test(value)) return value;
  throw new WeftError('USAGE', `--gateway "${value}" is not a namespace and a name, as default/edge`);
};

const formatFlag = (value: string): string => {
  parseLogFormat(value);
  return value;
};

const addressFlag = (value: string): string => {
  if (isIP(value) !== 0) return value;
  throw new WeftError('USAGE', `--bind-address "${value}" is not an IP address, as 127.0.0.1 or 0.0.0.0`);
};

const sidecarOptions = (): Option[] => [
  new Option('--inbound IP:PORT', 'Where peers reach it by mutual TLS.').argParser(socketFlag('--inbound')),
  hboneOption(),
  new Option('--outbound IP:PORT', "The HTTP proxy for the workload's own calls.").argParser(socketFlag('--outbound')),
  new Option('--port [NAME=]PORT', 'A port of the program. Repeatable.').argParser(namedPortFlag('--port', 1)),
  new Option('--local-port PORT=SERVICE:PORT', 'A local port that leads to a service. Repeatable.').argParser(
    localPortFlag('--local-port'),
  ),
  new Option('--label KEY=VALUE', 'A label of the workload. Repeatable.').argParser(labelFlag('--label')),
  new Option('--app-address IP', 'Where the program listens.').default('127.0.0.1'),
];

const gatewayOptions = (): Option[] => [
  new Option('--resources DIR', 'Serve the YAML files of a folder, without a control plane; changes are followed.'),
  new Option('--access-log FILE', 'With --resources: a line of JSON per finished request; - is standard output.'),
  new Option(
    '--access-log-format FORMAT',
    "With --access-log: lines of Envoy's format string instead, for requests of HTTP.",
  ).argParser(formatFlag),
  new Option('--gateway NAMESPACE/NAME', 'Serve this Gateway alone; else every one of class weft.').argParser(
    gatewayFlag,
  ),
  new Option('--bind-address IP', 'Where listeners without an address listen.')
    .default('127.0.0.1')
    .argParser(addressFlag),
];

export const command = (terminal: Terminal): Command => {
  const command = newCommand('proxy', 'Runs one data-plane process: a sidecar or a gateway.', [
    'weft proxy --role gateway --resources ./gateway',
    'weft proxy --role gateway --name edge --namespace weft-system',
  ]);
  command
    .addOption(new Option('--role ROLE', 'What it does.').choices(['sidecar', 'gateway']).makeOptionMandatory())
    .addOption(engineOption())
    .addOption(envoyOption())
    .addOption(concurrencyOption())
    .addOption(
      new Option(
        '--admin-port PORT',
        'Its admin interface on 127.0.0.1; 15000, or any free port where that is taken, unless told otherwise; 0: any.',
      )
        .helpGroup(PROXY)
        .argParser(portFlag('--admin-port')),
    )
    .addOption(
      new Option(
        '--ready-port PORT',
        'Where /healthz/ready answers; for gateways 15021, or any free port where that is taken, unless told otherwise; 0: any.',
      )
        .helpGroup(PROXY)
        .argParser(portFlag('--ready-port')),
    )
    .option('-q, --quiet', 'Log only what goes wrong.')
    .addOption(new Option('--name NAME', 'Its name.').argParser(nameFlag('--name')).default('gateway'))
    .addOption(
      new Option('-n, --namespace NAME', 'Its namespace.').argParser(nameFlag('--namespace')).default('default'),
    )
    .addOption(
      new Option('--service-account NAME', 'Who it is; its name unless told otherwise.').argParser(
        nameFlag('--service-account'),
      ),
    );
  for (const option of drainOptions()) command.addOption(option);
  for (const option of rateLimitOptions()) command.addOption(option.helpGroup('Gateway:'));
  for (const option of gatewayOptions()) command.addOption(option.helpGroup('Gateway:'));
  for (const option of sidecarOptions()) command.addOption(option.helpGroup('Sidecar:'));
  addDnsOptions(command);
  addJoinOptions(command, terminal);
  return command.action((flags: ProxyFlags) => run(flags, terminal));
};
