// `host:port` and `[v6]:port`, read and written in one way.
import { isIPv6 } from 'node:net';

/** The parts of `host:port` or `[v6]:port`; undefined for anything else. */
export const parseHostPort = (text: string): { host: string; port: number } | undefined => {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (!host || port > 65_535 || (match![1] !== undefined && !isIPv6(match![1]))) return undefined;
  return { host, port };
};

export const formatHostPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
