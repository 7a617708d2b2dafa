// The Go programs of a conformance run: the official suite, and the echo backend of its Pods. Built once into the user's cache.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Tools {
  readonly suite: string;
  readonly echo: string;
}

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weft-tests');
const GO_ENV = { ...process.env, GOTOOLCHAIN: 'go1.27.0', GOFLAGS: '-buildvcs=false', CGO_ENABLED: '0' };

/** Another go.mod or source means another file. */
const fingerprint = (folder: string): string => {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex').slice(0, 12);
};

const build = (name: string, folder: string, argsFor: (out: string) => string[]): string => {
  const built = join(CACHE, `${name}-${fingerprint(folder)}`);
  if (existsSync(built)) return built;
  mkdirSync(CACHE, { recursive: true });
  const half = `${built}.${process.pid}`;
  console.error(`builds ${name} (the first time this takes minutes)`);
  execFileSync('go', argsFor(half), { cwd: folder, env: GO_ENV, stdio: ['ignore', 'ignore', 'inherit'] });
  renameSync(half, built);
  return built;
};

export const buildTools = (): Tools => {
  const folder = (name: string) => join(import.meta.dirname, name);
  const echo = 'sigs.k8s.io/gateway-api/conformance/echo-basic';
  return {
    suite: build('conformance', folder('suite'), (out) => ['test', '-c', '-ldflags=-s -w', '-o', out, '.']),
    echo: build('echo-basic', folder('echo'), (out) => ['build', '-ldflags=-s -w', '-o', out, echo]),
  };
};

// Ahead of the tests, so that none of them waits for it.
if (import.meta.main) buildTools();
