// Which processes belong to one run of a mesh: they inherit a mark in their environment. Used by mesh.ts and
// the tests of crashes.
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface MarkedProcess {
  readonly pid: number;
  readonly args: readonly string[];
}

const readOrEmpty = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended, or it is another user's.
    return '';
  }
};

/** Zombies have ended; their parent has only not asked yet. */
const isZombie = (pid: number): boolean => /^\d+ \(.*\) Z/s.test(readOrEmpty(`/proc/${pid}/stat`));

/** Of a process that was killed: true once it does nothing more, and the system has closed what it had open. */
export const isGone = (pid: number): boolean => {
  if (process.platform === 'linux') {
    // A zombie may have threads left, and as long as one is, its sockets are open. Fields 3 and 20 of proc(5).
    const fields = readOrEmpty(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields.length < 18 || (fields[0] === 'Z' && fields[17] === '1');
  }
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() === '' || stdout.startsWith('Z');
};

const onLinux = (mark: string): MarkedProcess[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => readOrEmpty(`/proc/${pid}/environ`).split('\0').includes(mark) && !isZombie(pid))
    .map((pid) => ({ pid, args: readOrEmpty(`/proc/${pid}/cmdline`).split('\0').filter(Boolean) }));

const elsewhere = (mark: string): MarkedProcess[] =>
  execFileSync('ps', ['-axww', '-E', '-o', 'pid=,command='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(mark))
    .map((line) => /^\s*(\d+)\s+(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map((match) => ({ pid: Number(match[1]), args: match[2]!.split(' ') }));

/** The running processes that have `mark` (`NAME=value`) in their environment. */
export const markedProcesses = (mark: string): MarkedProcess[] =>
  process.platform === 'linux' ? onLinux(mark) : elsewhere(mark);
