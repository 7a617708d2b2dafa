// Why a port could not be bound, in the user's words, and who holds it. Called by whatever opens a listening socket.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf, systemCode, WeftError } from './errors.ts';

const LISTENING = '0A';

/** Inodes of the sockets that listen on a port, each with its address. */
const listeningInodes = (proc: string, port: number): Map<string, string> => {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Map<string, string>();
  for (const table of ['tcp', 'tcp6']) {
    for (const line of orElse(() => readFileSync(join(proc, 'net', table), 'utf8'), '').split('\n')) {
      const fields = line.trim().split(/\s+/);
      const [address = '', inode = ''] = [fields[1], fields[9]];
      if (fields[3] === LISTENING && address.endsWith(`:${hexPort}`)) inodes.set(`socket:[${inode}]`, address);
    }
  }
  return inodes;
};

/** True where another process listens on the very address and port on which this one does (Linux, SO_REUSEPORT). */
export const sharesPort = (port: number): boolean => {
  const inodes = listeningInodes('/proc', port);
  if (inodes.size === 0) return false;
  const own = new Set<string>();
  for (const fd of orElse(() => readdirSync('/proc/self/fd'), [])) {
    own.add(orElse(() => readlinkSync(join('/proc/self/fd', fd)), ''));
  }
  const addresses = new Set([...inodes].filter(([inode]) => own.has(inode)).map(([, address]) => address));
  return [...inodes].some(([inode, address]) => !own.has(inode) && addresses.has(address));
};

// Processes come and go while /proc is read, and other users' are closed to us: what can't be read is not there.
const orElse = <T>(read: () => T, fallback: T): T => {
  try {
    return read();
  } catch {
    return fallback;
  }
};

/** `nginx (pid 123)`: the program that listens on a TCP port, where the system tells (Linux; own processes, or root). */
export const portHolder = (port: number, proc = '/proc'): string | undefined => {
  const inodes = listeningInodes(proc, port);
  if (inodes.size === 0) return undefined;
  for (const pid of orElse(() => readdirSync(proc), [])) {
    if (!/^\d+$/.test(pid)) continue;
    const folder = join(proc, pid, 'fd');
    for (const fd of orElse(() => readdirSync(folder), [])) {
      const link = orElse(() => readlinkSync(join(folder, fd)), '');
      if (!inodes.has(link)) continue;
      // Not `comm`, which is the name of a thread.
      const command = orElse(() => readFileSync(join(proc, pid, 'cmdline'), 'utf8'), '');
      const name = basename(command.split('\0')[0] ?? '');
      return name ? `${name} (pid ${pid})` : `pid ${pid}`;
    }
  }
  return undefined;
};

/** What was to be bound, and how the user may choose another port. */
export interface BindAttempt {
  readonly address: string;
  readonly port: number;
  /** What for: `API`, `gateway`. */
  readonly use: string;
  /** The flag that names the port, where there is one. */
  readonly flag?: string | undefined;
}

/** The error for a failed bind: PORT_TAKEN with the holder's name, PORT_FORBIDDEN, or LISTEN_FAILED. */
export const bindError = (cause: unknown, { address, port, use, flag }: BindAttempt): WeftError => {
  const at = `${address}:${port}`;
  const choice = flag ? `with ${flag}` : 'for it';
  const code = systemCode(cause);
  if (code === 'EADDRINUSE') {
    return new WeftError('PORT_TAKEN', `port ${port} (${use}) is taken by ${portHolder(port) ?? 'another program'}`, {
      at,
      hint: `end that program, or choose another port ${choice}`,
      cause,
    });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new WeftError('PORT_FORBIDDEN', `port ${port} (${use}) may not be opened by this user`, {
      at,
      hint: `choose a port over 1023 ${choice}`,
      cause,
    });
  }
  return new WeftError('LISTEN_FAILED', `${use} can't listen on ${at}: ${messageOf(cause)}`, { at, cause });
};
