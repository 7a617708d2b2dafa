// Values of flags, checked with words that name the flag: ports, addresses, labels. Used by up, run, proxy and control.
import { isIP } from 'node:net';
import { WeftError } from '../lib/errors.ts';
import type { LocalPort, SocketAddress } from '../model/node.ts';
import { parseSpan } from './units.ts';

const usage = (flag: string, value: string, wanted: string): WeftError =>
  new WeftError('USAGE', `${flag} "${value}" is not ${wanted}`);

/** A port number; 0 (any free port) where the flag allows it. */
export const portFlag =
  (flag: string, lowest = 0) =>
  (value: string): number => {
    const port = Number(value);
    if (/^\d{1,5}$/.test(value) && port >= lowest && port <= 65_535) return port;
    throw usage(flag, value, `a port (${lowest} to 65535)`);
  };

/** Any text, repeatable. */
export const repeated = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** `127.0.0.1:15006`, `[::1]:15006`. */
export const socketFlag =
  (flag: string) =>
  (value: string): SocketAddress => {
    const match = /^\[?([0-9a-fA-F:.]+?)\]?:(\d+)$/.exec(value);
    if (!match || !isIP(match[1]!)) throw usage(flag, value, 'an IP address and port, as 127.0.0.1:15006');
    return { address: match[1]!, port: portFlag(flag, 1)(match[2]!) };
  };

/** `control.example:15012`: a name or an address, with a port. */
export const hostPortFlag =
  (flag: string) =>
  (value: string): string => {
    const match = /^([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):(\d+)$/.exec(value);
    if (!match) throw usage(flag, value, 'a host and port, as control.example:15012');
    portFlag(flag, 1)(match[2]!);
    return value;
  };

/** `eu-west-1/eu-west-1a`. */
export const localityFlag =
  (flag: string) =>
  (value: string): string => {
    if (/^[A-Za-z0-9._-]{0,63}(\/[A-Za-z0-9._-]{0,63}){0,2}$/.test(value)) return value;
    throw usage(flag, value, 'a region, a zone and a subzone, as eu/eu-a');
  };

/** `key=value`, repeatable. */
export const labelFlag =
  (flag: string) =>
  (value: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => {
    const match = /^([A-Za-z0-9._/-]{1,317})=([A-Za-z0-9._-]{0,63})$/.exec(value);
    if (!match) throw usage(flag, value, 'a label, as team=web');
    return { ...before, [match[1]!]: match[2]! };
  };

/** `9080` (named http) or `name=9080`, repeatable. Protocols follow from the name, as in a Service: `tcp=5432` is TCP. */
export const namedPortFlag =
  (flag: string, lowest = 0) =>
  (value: string, before: Readonly<Record<string, number>> = {}): Readonly<Record<string, number>> => {
    const match = /^(?:([a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?)=)?(\d+)$/.exec(value);
    if (!match) throw usage(flag, value, 'a port, as 9080 or grpc=9090');
    const name = match[1] ?? 'http';
    if (name in before) throw usage(flag, value, `a further port: "${name}" is given already`);
    return { ...before, [name]: portFlag(flag, lowest)(match[3]!) };
  };

/** `15432=postgres:5432`: a port on this machine that leads to a service; repeatable. */
export const localPortFlag =
  (flag: string) =>
  (value: string, before: readonly LocalPort[] = []): readonly LocalPort[] => {
    const match = /^(\d+)=([A-Za-z0-9.-]+):(\d+)$/.exec(value);
    if (!match) throw usage(flag, value, 'a local port and a service, as 15432=postgres:5432');
    const [, port, host, servicePort] = match as unknown as [string, string, string, string];
    const local = { address: '127.0.0.1', port: portFlag(flag, 1)(port), host: host.toLowerCase() };
    return [...before, { ...local, servicePort: portFlag(flag, 1)(servicePort) }];
  };

/** `8s`, `24h`, `30d`: a span of time within limits, in milliseconds. */
export const spanFlag =
  (flag: string, lowest: string, highest: string) =>
  (value: string): number => {
    const ms = parseSpan(value);
    if (ms !== undefined && ms >= parseSpan(lowest)! && ms <= parseSpan(highest)!) return ms;
    throw usage(flag, value, `a span of time from ${lowest} to ${highest}, as 90s or 24h`);
  };

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** A name as Kubernetes takes them: lower-case letters, digits and dashes. */
export const nameFlag =
  (flag: string) =>
  (value: string): string => {
    if (DNS_LABEL.test(value)) return value;
    throw usage(flag, value, 'a name of lower-case letters, digits and dashes');
  };
