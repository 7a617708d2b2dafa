// Reads the manifests that `-f` names: files, folders with all below them, standard input. Used by apply and delete.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Manifest, type ManifestProblem, parseManifests } from '../kinds/yaml.ts';
import { formatError, messageOf, systemCode, WeftError } from '../lib/errors.ts';
import type { Terminal } from './terminal.ts';

export interface ManifestSet {
  readonly manifests: readonly Manifest[];
  /** In the order of the files. */
  readonly problems: readonly ManifestProblem[];
  readonly files: number;
}

const MAX_FILES = 10_000;
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const IS_MANIFEST = /\.(ya?ml|json)$/i;

const unreadable = (path: string, cause: unknown): WeftError =>
  systemCode(cause) === 'ENOENT'
    ? new WeftError('FILE_NOT_FOUND', `${path} does not exist`, { cause, hint: 'check the path behind -f' })
    : new WeftError('FILE_UNREADABLE', `${path} can't be read: ${messageOf(cause)}`, { cause });

const readFile = (path: string): string => {
  try {
    if (statSync(path).size > MAX_FILE_BYTES) {
      throw new WeftError('INPUT_TOO_LARGE', `${path} is larger than 16 MiB`, { hint: 'split it' });
    }
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw cause instanceof WeftError ? cause : unreadable(path, cause);
  }
};

const filesIn = (folder: string): string[] => {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && IS_MANIFEST.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (found.length === 0) {
    throw new WeftError('FILE_NOT_FOUND', `${folder} has no .yaml, .yml or .json file`, {
      hint: 'check the path behind -f',
    });
  }
  if (found.length > MAX_FILES) throw new WeftError('INPUT_TOO_LARGE', `${folder} has more than ${MAX_FILES} files`);
  return found;
};

const expand = (path: string): string[] => {
  if (path === '-') return [path];
  if (/^https?:\/\//.test(path)) {
    throw new WeftError('USAGE', `-f ${path}: URLs are not supported`, { hint: 'download it, or pipe it into "-f -"' });
  }
  try {
    return statSync(path).isDirectory() ? filesIn(path) : [path];
  } catch (cause) {
    throw cause instanceof WeftError ? cause : unreadable(path, cause);
  }
};

/** All manifests behind the paths, with all that is wrong in them. Throws for what can't be read at all. */
export const readManifests = async (paths: readonly string[], terminal: Terminal): Promise<ManifestSet> => {
  const manifests: Manifest[] = [];
  const problems: ManifestProblem[] = [];
  const files = [...new Set(paths.flatMap(expand))];
  for (const path of files) {
    const text = path === '-' ? await terminal.readInput() : readFile(path);
    const parsed = parseManifests(text, { file: path === '-' ? 'standard input' : path });
    manifests.push(...parsed.resources);
    problems.push(...parsed.problems);
  }
  return { manifests, problems, files: files.length };
};

const MAX_SHOWN = 50;

const placeOf = ({ file, line, column }: ManifestProblem): string => `${file}:${line}:${column}`;

/** As they stand in the files; files in the order in which they come up. */
const inOrder = (problems: readonly ManifestProblem[]): ManifestProblem[] => {
  const byFile = Map.groupBy(problems, ({ file }) => file);
  return [...byFile.values()].flatMap((list) => list.sort((a, b) => a.line - b.line || a.column - b.column));
};

/** Prints each problem with its place and next step, and how many more there are. */
export const printProblems = (problems: readonly ManifestProblem[], terminal: Terminal): void => {
  for (const problem of inOrder(problems).slice(0, MAX_SHOWN)) {
    const { code, message, hint } = problem;
    terminal.note(formatError(new WeftError(code, message, { at: placeOf(problem), ...(hint && { hint }) })));
  }
  if (problems.length > MAX_SHOWN) terminal.note(`and ${problems.length - MAX_SHOWN} more`);
};

export const printWarnings = (problems: readonly ManifestProblem[], terminal: Terminal): void => {
  for (const problem of inOrder(problems).slice(0, MAX_SHOWN)) {
    const hint = problem.hint ? ` (${problem.hint})` : '';
    terminal.note(`warning: ${placeOf(problem)}: ${problem.message}${hint}`);
  }
};
