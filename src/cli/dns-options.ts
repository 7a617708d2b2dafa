// How a sidecar answers names: the options of run and proxy.
import { isIP } from 'node:net';
import { type Command, Option } from 'commander';
import { WeftError } from '../lib/errors.ts';
import type { SocketAddress } from '../model/node.ts';
import { portFlag, socketFlag } from './flag-values.ts';

export interface DnsFlags {
  readonly dnsPort?: number | 'off';
  readonly dnsAddress?: string;
  readonly dnsUpstream?: readonly SocketAddress[];
  readonly dnsCapture?: boolean;
}

const dnsPortFlag = (value: string): number | 'off' => (value === 'off' ? value : portFlag('--dns-port')(value));

const dnsAddressFlag = (value: string): string => {
  if (isIP(value) !== 0) return value;
  throw new WeftError('USAGE', `--dns-address "${value}" is not an IP address, as 127.0.0.1`);
};

const upstreamFlag = (value: string, before: readonly SocketAddress[] = []): readonly SocketAddress[] => [
  ...before,
  isIP(value) !== 0 ? { address: value, port: 53 } : socketFlag('--dns-upstream')(value),
];

export const addDnsOptions = (command: Command): Command => {
  const options = [
    new Option(
      '--dns-port PORT',
      'Where it answers names of the mesh, by UDP and TCP; 15053, or any free port where that is taken, unless told otherwise; off: nowhere.',
    ).argParser(dnsPortFlag),
    new Option('--dns-address IP', 'The address for that; 127.0.0.1 unless told otherwise.').argParser(dnsAddressFlag),
    new Option(
      '--dns-upstream IP[:PORT]',
      'Asked for other names, in place of those of /etc/resolv.conf. Repeatable.',
    ).argParser(upstreamFlag),
    new Option('--dns-capture', 'Names of services lead to addresses of its own, on which its proxy listens.'),
  ];
  for (const option of options) command.addOption(option.helpGroup('Names:'));
  return command;
};

/** Throws USAGE for options that contradict each other. */
export const checkDnsFlags = ({ dnsPort, dnsAddress, dnsCapture }: DnsFlags): void => {
  if (!dnsCapture) return;
  if (dnsPort === 'off')
    throw new WeftError('USAGE', '--dns-capture needs the resolver that --dns-port off takes away');
  if (dnsPort === 0) throw new WeftError('USAGE', '--dns-capture needs a port: its address is not shared with anyone');
  if (dnsAddress !== undefined) {
    throw new WeftError('USAGE', '--dns-capture answers on an address of its own', { hint: 'leave out --dns-address' });
  }
};

/** The same options as words, for a process that this one starts. */
export const dnsFlags = ({ dnsPort, dnsAddress, dnsUpstream = [], dnsCapture }: DnsFlags): string[] => [
  ...(dnsPort !== undefined ? [`--dns-port=${dnsPort}`] : []),
  ...(dnsAddress !== undefined ? [`--dns-address=${dnsAddress}`] : []),
  ...dnsUpstream.map(
    ({ address, port }) => `--dns-upstream=${address.includes(':') ? `[${address}]` : address}:${port}`,
  ),
  ...(dnsCapture ? ['--dns-capture'] : []),
];
