// Builds the Go programs of tests once into the user's cache: another go.mod or source makes another file.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weft-tests');
const GO_ENV = { ...process.env, GOTOOLCHAIN: 'go1.27.0', GOFLAGS: '-buildvcs=false', CGO_ENABLED: '0' };

const fingerprint = (folder: string): string => {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex').slice(0, 12);
};

/** Answers the path of the program that is built from the module in `folder`. */
export const buildGoProgram = (name: string, folder: string, argsFor: (out: string) => string[]): string => {
  const built = join(CACHE, `${name}-${fingerprint(folder)}`);
  if (existsSync(built)) return built;
  mkdirSync(CACHE, { recursive: true });
  const half = `${built}.${process.pid}`;
  console.error(`builds ${name} (the first time this takes minutes)`);
  execFileSync('go', argsFor(half), { cwd: folder, env: GO_ENV, stdio: ['ignore', 'ignore', 'inherit'] });
  renameSync(half, built);
  return built;
};
