// The machine that a comparison runs on: processes pinned to a core, scratch folders, waiting for ports. Used by the cases.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const ADDRESS = '127.0.0.1';
/** The proxy under test has this one to itself. */
export const PROXY_CORE = 0;
/** Load and backend share this one. */
export const LOAD_CORE = 1;

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly certPem: string;
  readonly keyPem: string;
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, ADDRESS, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

export const untilOpen = async (name: string, port: number): Promise<void> => {
  for (let tries = 0; tries < 300; tries++) {
    if (await isOpen(port)) return;
    await sleep(100);
  }
  throw new Error(`${name} does not listen on port ${port} after 30 s`);
};

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });

export class Machine {
  readonly dir = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  readonly #children: ChildProcess[] = [];
  #certificate: Certificate | undefined;

  constructor() {
    // The workers of nginx run as a user of their own.
    chmodSync(this.dir, 0o755);
  }

  folder(name: string): string {
    const dir = join(this.dir, name);
    mkdirSync(dir);
    return dir;
  }

  /** On a core, or on several as taskset names them; answers the process id. */
  start(core: number | string, command: readonly string[], env: NodeJS.ProcessEnv = {}): number {
    const child = spawn('taskset', ['-c', String(core), ...command], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, ...env },
    });
    this.#children.push(child);
    return child.pid!;
  }

  /** Self-signed, for localhost. */
  certificate(): Certificate {
    if (this.#certificate) return this.#certificate;
    const dir = this.folder('tls');
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', ['req', '-x509', ...algorithm, '-keyout', key, '-out', cert, '-days', '2', ...subject], {
      stdio: 'ignore',
    });
    this.#certificate = { key, cert, keyPem: readFileSync(key, 'utf8'), certPem: readFileSync(cert, 'utf8') };
    return this.#certificate;
  }

  /** Ends in reverse order what was started. */
  async close(): Promise<void> {
    for (const child of this.#children.toReversed()) {
      child.kill('SIGTERM');
      await ended(child);
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}
