// How long a newcomer waits, and what everything weighs: time from `weft up` to the first page, memory of each process,
// size of a production install. Called by bench.ts.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { commandOf, pssMiB, rssMiB, treeOf } from './process-stats.ts';

const root = join(import.meta.dirname, '..', '..');
const FREE_PORTS = ['api', 'browser', 'xds', 'xds-tls', 'gateway'].map((name) => `--${name}-port=0`);

/** A short name for a process of the mesh, from its command line. */
const nameOf = (pid: number): string => {
  const command = commandOf(pid);
  const flag = (name: string) => new RegExp(`--${name}=(\\S+)`).exec(command)?.[1];
  if (/ proxy /.test(command)) return `proxy ${flag('name')?.replace(/-[a-z0-9]{5}$/, '')}`;
  if (/ run /.test(command)) return `run ${flag('service')}-${flag('version')}`;
  if (/ control /.test(command)) return 'control plane';
  if (/ up /.test(command)) return 'up';
  return `program ${command.split('/').at(-1)}`;
};

/** Starts `weft up` with the demo on a fresh state, waits for the page, prints times and memory. */
export const measureStartup = async (): Promise<void> => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-up-'));
  const started = performance.now();
  const up = spawn(join(root, 'bin', 'weft'), ['up', `--data-dir=${dir}`, ...FREE_PORTS], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => up.once('exit', resolve));
  try {
    let gateway: string | undefined;
    for await (const line of createInterface({ input: up.stdout })) {
      gateway ??= /^gateway\s+(\S+)/.exec(line)?.[1];
      if (gateway) break;
    }
    const answer = await fetch(gateway ?? '');
    await answer.text();
    console.log(`weft up to the first page (${answer.status}): ${((performance.now() - started) / 1000).toFixed(1)} s`);
    const processes = treeOf(up.pid!).map((pid) => ({
      process: nameOf(pid),
      'RSS MiB': Math.round(rssMiB(pid)),
      'PSS MiB': Math.round(pssMiB(pid)),
    }));
    console.table(processes);
    console.log(`together: ${processes.reduce((sum, each) => sum + each['PSS MiB'], 0)} MiB (PSS)`);
  } finally {
    up.kill('SIGTERM');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  }
};

/** Installs without development packages in an empty folder and prints what that weighs. */
export const measureInstall = (): void => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-install-'));
  try {
    for (const file of ['package.json', 'package-lock.json', '.npmrc']) cpSync(join(root, file), join(dir, file));
    execFileSync('npm', ['ci', '--omit=dev', '--ignore-scripts'], { cwd: dir, stdio: ['ignore', 'ignore', 'inherit'] });
    const packages = execFileSync('npm', ['ls', '--all', '--parseable', '--omit=dev'], { cwd: dir, encoding: 'utf8' });
    const count = packages.trim().split('\n').length - 1;
    const modules = join(dir, 'node_modules');
    // Node itself is counted apart.
    const folders = readdirSync(modules).filter((name) => !/^node$|^node-bin|^\.bin$/.test(name));
    const kib = execFileSync('du', ['-sk', '--total', ...folders], { cwd: modules, encoding: 'utf8' }).trim();
    const mib = Number(kib.split('\n').at(-1)!.split('\t')[0]) / 1024;
    console.log(`production install: ${count} packages, ${mib.toFixed(1)} MiB beside Node itself`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};
