// Who listens on a port that can't be bound, for the error's text. Linux tells; elsewhere nobody is named. Called by listener.ts.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

const LISTENING = '0A';

/** Inodes of the sockets that listen on a port. */
const listeningInodes = (proc: string, port: number): Set<string> => {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['tcp', 'tcp6']) {
    let text = '';
    try {
      text = readFileSync(join(proc, 'net', table), 'utf8');
    } catch {
      continue;
    }
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === LISTENING && fields[1]?.endsWith(`:${hexPort}`)) inodes.add(`socket:[${fields[9]}]`);
    }
  }
  return inodes;
};

const holdsOneOf = (proc: string, pid: string, inodes: ReadonlySet<string>): boolean => {
  try {
    const folder = join(proc, pid, 'fd');
    return readdirSync(folder).some((fd) => {
      try {
        return inodes.has(readlinkSync(join(folder, fd)));
      } catch {
        return false;
      }
    });
  } catch {
    // Another user's process: its files can't be read.
    return false;
  }
};

/** `nginx (pid 123)`, or undefined where it can't be found out. */
export const portOwner = (port: number, proc = '/proc'): string | undefined => {
  const inodes = listeningInodes(proc, port);
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync(proc)) {
    if (!/^[0-9]+$/.test(pid) || !holdsOneOf(proc, pid, inodes)) continue;
    try {
      return `${readFileSync(join(proc, pid, 'comm'), 'utf8').trim()} (pid ${pid})`;
    } catch {
      return `pid ${pid}`;
    }
  }
  return undefined;
};
