// What a process tree costs, read from /proc (Linux).
import { readdirSync, readFileSync } from 'node:fs';

const fields = (pid: number): string[] => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');

// Processes end while they are looked at; those count nothing.
const orZero = (read: () => number): number => {
  try {
    return read();
  } catch {
    return 0;
  }
};

/** The process and all that it started. */
export const treeOf = (root: number): number[] => {
  const children = Map.groupBy(
    readdirSync('/proc').filter((name) => /^\d+$/.test(name)),
    (name) => orZero(() => Number(fields(Number(name))[1])),
  );
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []).map(Number));
  return tree;
};

const TICKS_PER_SECOND = 100;

/** User and system time of these processes, seconds. */
export const cpuSecondsOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    return sum + orZero(() => (Number(fields(pid)[11]) + Number(fields(pid)[12])) / TICKS_PER_SECOND);
  }, 0);

/** Resident memory of one process, MiB. */
export const rssMiB = (pid: number): number =>
  orZero(() => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);

/** Memory of one process with its share of what several have in common (Node's own code above all), MiB. */
export const pssMiB = (pid: number): number =>
  orZero(() => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024);

/** The command line, words split by spaces. */
export const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  } catch {
    return '';
  }
};
