// Ports on loopback: whether one is free, who has it when it isn't, and free ones for sidecars.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { systemCode, WeftError } from '../lib/errors.ts';
import type { Random } from '../lib/random.ts';

/** A port that is held until `release`, so that nobody takes it before its user listens on it. */
export interface HeldPort {
  readonly port: number;
  release(): Promise<void>;
}

const listen = (address: string, port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, () => resolve(server));
  });

const held = (server: Server): HeldPort => {
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
};

// Below the kernel's range for outgoing connections, which would otherwise take a port between choosing and listening.
const [FIRST, COUNT] = [16_000, 16_000];

/** Holds a free port, chosen at random, for a listener that starts a moment later in this process. */
export const holdFreePort = async (address: string, random: Random): Promise<HeldPort> => {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      return held(await listen(address, FIRST + Math.floor(random.next() * COUNT)));
    } catch (error) {
      if (systemCode(error) !== 'EADDRINUSE' && systemCode(error) !== 'EACCES') throw error;
    }
  }
  throw new WeftError('NO_FREE_PORT', `no free port found on ${address}`, {
    hint: 'end programs that hold many ports',
  });
};

/** A port number that was free a moment ago. */
export const findFreePort = async (address: string, random: Random): Promise<number> => {
  const port = await holdFreePort(address, random);
  await port.release();
  return port.port;
};

/** Throws PORT_TAKEN, naming the program, when something listens on the port already. */
export const requireFreePort = async (address: string, port: number, use: string, flag: string): Promise<void> => {
  if (port === 0) return;
  try {
    await held(await listen(address, port)).release();
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'EACCES') {
      throw new WeftError('PORT_FORBIDDEN', `port ${port} (${use}) may not be opened by this user`, {
        hint: `choose a port over 1023 with ${flag}`,
        cause,
      });
    }
    if (code !== 'EADDRINUSE') throw cause;
    const holder = portHolder(port);
    throw new WeftError('PORT_TAKEN', `port ${port} (${use}) is taken by ${holder ?? 'another program'}`, {
      at: `${address}:${port}`,
      hint: `end that program, or choose another port with ${flag}`,
      cause,
    });
  }
};

/** `name (pid N)` of the program that listens on a TCP port, where the system tells (Linux, own processes or root). */
export const portHolder = (port: number): string | undefined => {
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readText(table).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      const [local, state, inode] = [fields[1], fields[3], fields[9]];
      if (state === '0A' && inode && local && Number.parseInt(local.split(':')[1] ?? '', 16) === port)
        inodes.add(inode);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const fd of list(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(readLink(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode && inodes.has(inode)) return `${readText(`/proc/${pid}/comm`).trim()} (pid ${pid})`;
    }
  }
  return undefined;
};

// Processes come and go while /proc is read, and other users' are closed to us: what can't be read is not there.
const orElse = <T>(read: () => T, fallback: T): T => {
  try {
    return read();
  } catch {
    return fallback;
  }
};
const readText = (path: string): string => orElse(() => readFileSync(path, 'utf8'), '');
const readLink = (path: string): string => orElse(() => readlinkSync(path), '');
const list = (path: string): string[] => orElse(() => readdirSync(path), []);
