// h2spec, the conformance tests of HTTP/2 and HPACK, against a server on this machine: the one on the PATH, else built once from
// test/interop/h2spec into the user's cache.
import { execFile, execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const MODULE = join(import.meta.dirname, '../interop/h2spec');
const COMMAND = 'github.com/summerwind/h2spec/cmd/h2spec';
const CASE_TIMEOUT_SECONDS = 5;

const isRunnable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const findH2spec = (): string => {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weft-tests');
  const places = [...(process.env.PATH ?? '').split(delimiter), folder].map((place) => join(place, 'h2spec'));
  const found = places.find(isRunnable);
  if (found) return found;
  const built = join(folder, 'h2spec');
  execFileSync('go', ['build', '-o', built, COMMAND], { cwd: MODULE, stdio: ['ignore', 'ignore', 'inherit'] });
  return built;
};

export interface H2specResult {
  readonly total: number;
  /** The cases that failed; what was expected and what came is in the output. */
  readonly failures: readonly string[];
  readonly output: string;
}

/** Runs all of it, the strict cases too. */
export const runH2spec = (port: number, path = '/', tls = false): Promise<H2specResult> => {
  const args = ['-h', '127.0.0.1', '-p', `${port}`, '-P', path, '-S', '-o', `${CASE_TIMEOUT_SECONDS}`];
  if (tls) args.push('-t', '-k');
  return new Promise((resolve, reject) => {
    execFile(findH2spec(), args, { env: { ...process.env, NO_COLOR: '1', TERM: 'dumb' } }, (error, output) => {
      const sums = /^(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/m.exec(output);
      if (!sums) {
        reject(new Error(`h2spec gave no result: ${error?.message ?? output}`));
        return;
      }
      const [, total, passed, skipped, failed] = sums.map(Number);
      const from = output.indexOf('Failures:');
      const failures = from < 0 ? [] : [...output.slice(from).matchAll(/× (.*)/g)].map(([, name]) => name!);
      if (passed! + failed! + skipped! !== total || failures.length !== failed) reject(new Error(output));
      else resolve({ total: total!, failures, output });
    });
  });
};
