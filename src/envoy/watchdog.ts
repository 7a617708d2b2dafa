// Ends a child when this process is gone, kill -9 included: a shell that waits for the end of a pipe. Used by envoy.ts.
import { type ChildProcess, spawn } from 'node:child_process';

export interface Watchdog {
  /** The process to end when this one is gone; undefined: none. */
  guard(pid: number | undefined): void;
  close(): void;
}

// Reads pids, keeps the last; 0: none now. The pipe ends with our process, however that ends; then the child gets SIGTERM,
// and SIGKILL when it is still there after two seconds. Works alike on Linux and macOS, which has no parent-death signal.
const SCRIPT = `
trap '' INT HUP TERM
pid=0
while read -r line; do pid=$line; done
[ "$pid" = end ] && exit 0
if [ "$pid" -gt 1 ] && kill -TERM "$pid" 2>/dev/null; then
  for second in 1 2; do sleep 1; kill -0 "$pid" 2>/dev/null || break; done
  kill -KILL "$pid" 2>/dev/null
fi
rm -rf -- "$1"
`;

/** A shell that can't live is not started for ever. */
const MAX_STARTS = 10;

class ShellWatchdog implements Watchdog {
  readonly #dir: string;
  #shell: ChildProcess | undefined;
  #pid = 0;
  #isClosed = false;
  #starts = 0;

  constructor(dir: string) {
    this.#dir = dir;
    this.#start();
  }

  guard(pid: number | undefined): void {
    this.#pid = pid ?? 0;
    this.#shell?.stdin?.write(`${this.#pid}\n`);
  }

  close(): void {
    this.#isClosed = true;
    this.#shell?.stdin?.end('end\n');
  }

  #start(): void {
    this.#starts += 1;
    // Its own session: Ctrl-C on the terminal must not reach it.
    const args = ['-c', SCRIPT, 'weft-watchdog', this.#dir];
    const shell = spawn('/bin/sh', args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' });
    this.#shell = shell;
    shell.on('error', () => {});
    shell.stdin!.on('error', () => {});
    shell.on('exit', () => {
      // Somebody ended it: there must be one while there is a child.
      if (!this.#isClosed && this.#starts < MAX_STARTS) this.#start();
    });
    if (this.#pid !== 0) this.guard(this.#pid);
    // It never keeps this process alive: waiting for our end is its whole purpose.
    shell.unref();
    (shell.stdin as unknown as { unref?(): void }).unref?.();
  }
}

/** `dir` is removed too when this process is gone without `close`. */
export const openWatchdog = (dir: string): Watchdog => new ShellWatchdog(dir);
