// Ends a child when this process is gone, kill -9 included: a shell that waits for the end of a pipe. Used by envoy.ts.
import { type ChildProcess, spawn } from 'node:child_process';

export interface Watchdog {
  /** The process to end when this one is gone; undefined: none. */
  guard(pid: number | undefined): void;
  close(): void;
}

// Reads pids, keeps the last. The pipe ends with our process, however that ends; then the child gets SIGTERM, and SIGKILL
// when it is still there after two seconds. Works alike on Linux and macOS, which knows no parent-death signal.
const SCRIPT = `
trap '' INT HUP TERM
pid=
while read -r line; do pid=$line; done
[ -n "$pid" ] || exit 0
kill -TERM "$pid" 2>/dev/null || exit 0
for second in 1 2; do sleep 1; kill -0 "$pid" 2>/dev/null || exit 0; done
kill -KILL "$pid" 2>/dev/null
`;

class ShellWatchdog implements Watchdog {
  #shell: ChildProcess | undefined;
  #pid: number | undefined;
  #isClosed = false;

  constructor() {
    this.#start();
  }

  guard(pid: number | undefined): void {
    this.#pid = pid;
    this.#shell?.stdin?.write(`${pid ?? ''}\n`);
  }

  close(): void {
    this.#isClosed = true;
    this.#shell?.stdin?.end('\n');
  }

  #start(): void {
    // Its own session: Ctrl-C on the terminal must not reach it.
    const shell = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' });
    this.#shell = shell;
    shell.on('error', () => {});
    shell.stdin!.on('error', () => {});
    shell.on('exit', () => {
      // Somebody ended it: there must be one while there is a child.
      if (!this.#isClosed) this.#start();
    });
    if (this.#pid !== undefined) this.guard(this.#pid);
    // It never keeps this process alive: waiting for our end is its whole purpose.
    shell.unref();
    (shell.stdin as unknown as { unref?(): void }).unref?.();
  }
}

export const openWatchdog = (): Watchdog => new ShellWatchdog();
