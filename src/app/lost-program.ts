// Finds the program of a `weft run` that died before it could say which one it had started. Called by data-plane.ts.
import { readdirSync, readFileSync } from 'node:fs';
import { formatHostPort } from '../lib/host-port.ts';
import type { SocketAddress } from '../model/node.ts';

/** What the environment of a program says of its proxy; no two programs of one machine have the same. */
export const proxyOf = ({ address, port }: SocketAddress): string => `http://${formatHostPort(address, port)}`;

const environmentOf = (pid: number, proc: string): string[] => {
  try {
    return readFileSync(`${proc}/${pid}/environ`, 'utf8').split('\0');
  } catch {
    // Gone meanwhile, or another user's.
    return [];
  }
};

/** The first process that was told to use the proxy at `outbound`; undefined where the system does not tell (Linux only). */
export const findLostProgram = (outbound: SocketAddress, proc = '/proc'): number | undefined => {
  let names: string[] = [];
  try {
    names = readdirSync(proc);
  } catch {
    return undefined;
  }
  const pids = names.filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const told = `HTTP_PROXY=${proxyOf(outbound)}`;
  return pids.sort((a, b) => a - b).find((pid) => pid !== process.pid && environmentOf(pid, proc).includes(told));
};
