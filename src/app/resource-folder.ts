// A folder of manifests as resources, followed as it changes. A file that can't be read keeps what it said before.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { formatManifestProblem, parseManifests } from '../kinds/yaml.ts';
import type { Clock } from '../lib/clock.ts';
import { messageOf, systemCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { groupOf, qualifiedName, type Resource } from '../model/resource.ts';
import { FolderWatch, listFolder } from './folder-files.ts';

export interface ResourceFolder {
  resources(): readonly Resource[];
  /** `file:line` of a resource, where it is from a file. */
  placeOf(resource: Pick<Resource, 'apiVersion' | 'kind' | 'metadata'>): string | undefined;
  close(): void;
}

interface Manifest {
  readonly resource: Resource;
  readonly file: string;
  readonly line: number;
}

interface ReadFile {
  /** Changes with the file; empty: read it again next time. */
  readonly stamp: string;
  readonly text: string;
  readonly manifests: readonly Manifest[];
  /** Why it could not be read the last time. */
  readonly failure?: string;
  /** Since when it is empty, though it was not before. */
  readonly emptySince?: number;
}

/** A file that changes twice within one tick of its file system's clock shows no difference. */
const TICK_MS = 2_000;
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** `program > file` empties the file first: so long what it said before counts. */
const EMPTY_GRACE_MS = 1_500;

const DEFAULTS: readonly Resource[] = [
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: 'weft', generation: 1 },
    spec: { controllerName: 'weft.dev/gateway-controller' },
  },
];

const keyOf = ({ apiVersion, kind, metadata }: Pick<Resource, 'apiVersion' | 'kind' | 'metadata'>): string =>
  `${groupOf(apiVersion)}/${kind} ${qualifiedName(metadata)}`;

const namespaceOf = (name: string): Resource => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
});

class Folder implements ResourceFolder {
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onChange: () => void;
  readonly #watch: FolderWatch;
  #files = new Map<string, ReadFile>();
  #byKey = new Map<string, Manifest>();
  #doubles = new Set<string>();
  #failure = '';

  constructor(dir: string, clock: Clock, log: Log, onChange: () => void) {
    this.#dir = dir;
    this.#clock = clock;
    this.#log = log;
    this.#onChange = onChange;
    this.#watch = new FolderWatch(clock, log, () => this.#follow());
    try {
      this.#read();
    } catch (error) {
      this.#watch.close();
      throw error;
    }
  }

  #follow(): void {
    let changed = false;
    try {
      changed = this.#read();
      if (this.#failure !== '') this.#log.info('the folder can be read again', { folder: this.#dir });
      this.#failure = '';
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== this.#failure) this.#log.error('what the folder said before goes on', { reason });
      this.#failure = reason;
    }
    if (changed) this.#onChange();
  }

  /** True when anything changed. */
  #read(): boolean {
    const { files, dirs } = listFolder(this.#dir);
    // Before the files are read: what changes meanwhile is seen.
    this.#watch.follow(dirs);
    const next = new Map<string, ReadFile>();
    for (const name of files) {
      const file = this.#readFile(join(this.#dir, name), this.#files.get(name));
      if (file) next.set(name, file);
    }
    const changed =
      next.size !== this.#files.size ||
      [...next].some(([name, { manifests }]) => this.#files.get(name)?.manifests !== manifests);
    this.#files = next;
    if (changed) this.#index();
    return changed;
  }

  #readFile(path: string, before: ReadFile | undefined): ReadFile | undefined {
    try {
      const stamp = this.#stampOf(path);
      if (stamp !== '' && stamp === before?.stamp) return before;
      return this.#parse(path, readFileSync(path, 'utf8'), stamp, before);
    } catch (error) {
      // It went while the folder was read, or is a link to nothing.
      if (systemCode(error) === 'ENOENT') return undefined;
      const failure = messageOf(error);
      if (failure !== before?.failure) {
        this.#log.error('a file can not be read; what it said before goes on', { file: path, reason: failure });
      }
      return { text: '', manifests: before?.manifests ?? [], stamp: '', failure };
    }
  }

  #stampOf(path: string): string {
    const stat = statSync(path);
    // A pipe would be waited for, and stop the whole gateway.
    if (!stat.isFile()) throw new Error('it is not a file');
    if (stat.size > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB; split it`);
    const { mtimeMs, ctimeMs, size, ino } = stat;
    return Math.abs(this.#clock.now() - ctimeMs) > TICK_MS ? `${mtimeMs} ${ctimeMs} ${size} ${ino}` : '';
  }

  #parse(file: string, text: string, stamp: string, before: ReadFile | undefined): ReadFile {
    const failed = before?.failure !== undefined;
    if (before && text === before.text && !failed && before.emptySince === undefined) return { ...before, stamp };
    if (text.trim() === '' && before && before.manifests.length > 0) {
      const now = this.#clock.now();
      const emptySince = before.emptySince ?? now;
      if (now - emptySince < EMPTY_GRACE_MS) return { text, manifests: before.manifests, stamp: '', emptySince };
    }
    const { resources, problems } = parseManifests(text, { file });
    for (const problem of problems) {
      const line = formatManifestProblem(problem);
      if (problem.severity === 'error') this.#log.error(line, { code: problem.code });
      else this.#log.warn(line, { code: problem.code });
    }
    const isBroken = problems.some(({ severity }) => severity === 'error');
    if (isBroken) {
      const goesOn = before && before.manifests.length > 0;
      this.#log.error(goesOn ? 'what the file said before goes on' : 'nothing of the file is used', { file });
    }
    // The text is remembered, so that the same mistake is told once.
    const manifests = resources.map(({ resource, line }) => ({ resource, file, line }));
    return { text, stamp, manifests: isBroken ? (before?.manifests ?? []) : manifests };
  }

  /** By file name and place in the file, the last one counts. */
  #index(): void {
    const byKey = new Map<string, Manifest>();
    const doubles = new Set<string>();
    for (const { manifests } of this.#files.values()) {
      for (const manifest of manifests) {
        const key = keyOf(manifest.resource);
        const other = byKey.get(key);
        if (other) {
          const { kind, metadata } = manifest.resource;
          const places = `${other.file}:${other.line} and at ${manifest.file}:${manifest.line}`;
          doubles.add(`${kind} ${qualifiedName(metadata)} is there twice, at ${places}; the latter is used`);
        }
        byKey.set(key, manifest);
      }
    }
    for (const line of doubles) if (!this.#doubles.has(line)) this.#log.warn(line, { code: 'DEFINED_TWICE' });
    this.#doubles = doubles;
    this.#byKey = byKey;
  }

  resources(): readonly Resource[] {
    const byKey = new Map(DEFAULTS.map((resource) => [keyOf(resource), resource]));
    for (const [key, { resource }] of this.#byKey) byKey.set(key, resource);
    for (const { metadata } of [...byKey.values()]) {
      if (!metadata.namespace) continue;
      const namespace = namespaceOf(metadata.namespace);
      const key = keyOf(namespace);
      if (!byKey.has(key)) byKey.set(key, namespace);
    }
    return [...byKey.values()];
  }

  placeOf(resource: Pick<Resource, 'apiVersion' | 'kind' | 'metadata'>): string | undefined {
    const manifest = this.#byKey.get(keyOf(resource));
    return manifest && `${manifest.file}:${manifest.line}`;
  }

  close(): void {
    this.#watch.close();
  }
}

/** Throws FOLDER_UNREADABLE. Calls `onChange` after each change of what the folder says. */
export const openResourceFolder = (dir: string, clock: Clock, log: Log, onChange: () => void): ResourceFolder =>
  new Folder(dir, clock, log, onChange);
