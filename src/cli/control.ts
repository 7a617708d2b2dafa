// `weft control`: the control plane alone.
import { type Command, Option } from 'commander';
import type { ControlPlaneOptions } from '../app/control-plane.ts';
import { defaultDataDir } from '../client/kubeconfig.ts';
import { parseCidr } from '../lib/cidr.ts';
import { WeftError } from '../lib/errors.ts';
import { systemLog } from '../lib/log.ts';
import { newCommand } from './command.ts';
import { portFlag, spanFlag } from './flag-values.ts';
import { rateLimitOptions } from './rate-limit-options.ts';
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
    command.addOption(
      new Option(`${flag} PORT`, `${what}; 0 for any.`).default(port).argParser(portFlag(flag)).helpGroup('Ports:'),
    );
  }
  return command;
};

/** An intermediate certificate lives for a year and is renewed in its last third: what it signs must end before it. */
const LONGEST_SVID = '90d';

/** How long certificates of workloads live. */
export const addSvidTtlOption = (command: Command): Command =>
  command.addOption(
    new Option(
      '--svid-ttl SPAN',
      'How long a certificate of a workload lives, renewed at half of it; 24h unless told otherwise.',
    ).argParser(spanFlag('--svid-ttl', '5s', LONGEST_SVID)),
  );

const blockFlag =
  (flag: string) =>
  (value: string): string => {
    if (parseCidr(value)) return value;
    throw new WeftError('USAGE', `${flag} "${value}" is not a block of addresses, as 10.96.0.0/24`);
  };

/** Blocks of which Gateways get addresses. */
export const addGatewayAddressesOptions = (command: Command): Command =>
  command
    .addOption(
      new Option(
        '--gateway-addresses CIDR',
        'A block of which each Gateway that asks for no address gets one; they must be addresses of the gateways.',
      ).argParser(blockFlag('--gateway-addresses')),
    )
    .addOption(
      new Option(
        '--cluster-addresses CIDR',
        'The same for Gateways that ask for the routability Cluster; only the cluster may have a way to them.',
      ).argParser(blockFlag('--cluster-addresses')),
    );

interface BlockFlags {
  readonly gatewayAddresses?: string;
  readonly clusterAddresses?: string;
}

/** The flags as the control plane takes them. */
const blocksOf = ({ gatewayAddresses = '', clusterAddresses = '' }: BlockFlags) => {
  const [anywhere, cluster] = [parseCidr(gatewayAddresses), parseCidr(clusterAddresses)];
  return { ...(anywhere && { gatewayAddresses: anywhere }), ...(cluster && { clusterAddresses: cluster }) };
};

/** The flag as the control plane takes it. */
export const svidTtlOf = ({ svidTtl }: { svidTtl?: number }) => (svidTtl === undefined ? {} : { svidTtlMs: svidTtl });

type ControlFlags = Omit<ControlPlaneOptions, keyof BlockFlags> & BlockFlags & { svidTtl?: number };

const run = async (
  { gatewayAddresses, clusterAddresses, ...options }: ControlFlags,
  terminal: Terminal,
): Promise<void> => {
  terminal.endsWithReader = false;
  const flags = { ...(gatewayAddresses && { gatewayAddresses }), ...(clusterAddresses && { clusterAddresses }) };
  const { runControlPlane } = await import('../app/control-plane.ts');
  terminal.exitCode = await runControlPlane(
    { ...options, ...svidTtlOf(options), ...blocksOf(flags) },
    systemLog('control'),
    terminal.print,
  );
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
  addGatewayAddressesOptions(command);
  addSvidTtlOption(command);
  for (const option of rateLimitOptions()) command.addOption(option);
  return addPortOptions(command).action((options: ControlFlags) => run(options, terminal));
};
