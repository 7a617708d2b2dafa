// A folder of manifests as resources, followed as it changes. A file that can't be read keeps what it said before.
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { formatManifestProblem, type Manifest, parseManifests } from '../kinds/yaml.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf, systemCode, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { qualifiedName, type Resource } from '../model/resource.ts';

export interface ResourceFolder {
  resources(): readonly Resource[];
  close(): void;
}

interface ReadFile {
  readonly text: string;
  readonly manifests: readonly Manifest[];
}

/** Editors write in several steps: wait for the last. */
const SETTLE_MS = 30;
const MANIFEST = /\.(ya?ml|json)$/;

const listFiles = (dir: string): string[] => {
  try {
    if (!statSync(dir).isDirectory()) throw new WeftError('FOLDER_UNREADABLE', `${dir} is not a folder`);
    const names = readdirSync(dir, { recursive: true, encoding: 'utf8' });
    return names.filter((name) => MANIFEST.test(name)).sort();
  } catch (cause) {
    if (cause instanceof WeftError) throw cause;
    throw new WeftError('FOLDER_UNREADABLE', `the folder ${dir} can't be read: ${systemCode(cause) ?? cause}`, {
      hint: 'name a folder of YAML files: --resources DIR',
      cause,
    });
  }
};

const DEFAULTS: readonly Resource[] = [
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: 'weft', generation: 1 },
    spec: { controllerName: 'weft.dev/gateway-controller' },
  },
];

const keyOf = ({ kind, metadata }: Resource): string => `${kind} ${qualifiedName(metadata)}`;

class Folder implements ResourceFolder {
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onChange: () => void;
  readonly #watcher: FSWatcher;
  #files = new Map<string, ReadFile>();
  #timer: Timer | undefined;

  constructor(dir: string, clock: Clock, log: Log, onChange: () => void) {
    this.#dir = dir;
    this.#clock = clock;
    this.#log = log;
    this.#onChange = onChange;
    this.#read();
    this.#watcher = watch(dir, { recursive: true }, () => this.#settle());
    this.#watcher.on('error', (error) =>
      log.warn('changes of the folder are no longer seen', { reason: error.message }),
    );
  }

  #settle(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(SETTLE_MS, () => {
      try {
        if (this.#read()) this.#onChange();
      } catch (error) {
        this.#log.error('the folder can not be read; what it said before goes on', { reason: messageOf(error) });
      }
    });
  }

  /** True when anything changed. */
  #read(): boolean {
    const next = new Map<string, ReadFile>();
    let changed = false;
    for (const name of listFiles(this.#dir)) {
      const before = this.#files.get(name);
      const after = this.#readFile(name, before);
      if (after) next.set(name, after);
      changed ||= after !== before;
    }
    changed ||= next.size !== this.#files.size;
    this.#files = next;
    return changed;
  }

  #readFile(name: string, before: ReadFile | undefined): ReadFile | undefined {
    const file = join(this.#dir, name);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      this.#log.error('a file can not be read; what it said before goes on', { file, reason: messageOf(error) });
      return before;
    }
    if (text === before?.text) return before;
    const { resources, problems } = parseManifests(text, { file });
    for (const problem of problems) {
      const line = formatManifestProblem(problem);
      if (problem.severity === 'error') this.#log.error(line, { code: problem.code });
      else this.#log.warn(line, { code: problem.code });
    }
    const isBroken = problems.some(({ severity }) => severity === 'error');
    // The text is remembered, so that the same mistake is told once.
    return { text, manifests: isBroken ? (before?.manifests ?? []) : resources };
  }

  resources(): readonly Resource[] {
    const byKey = new Map(DEFAULTS.map((resource) => [keyOf(resource), resource]));
    for (const { manifests } of this.#files.values()) {
      for (const { resource } of manifests) byKey.set(keyOf(resource), resource);
    }
    for (const { metadata } of [...byKey.values()]) {
      const { namespace: name } = metadata;
      if (!name || byKey.has(`Namespace ${name}`)) continue;
      const labels = { 'kubernetes.io/metadata.name': name };
      byKey.set(`Namespace ${name}`, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    }
    return [...byKey.values()];
  }

  close(): void {
    this.#timer?.cancel();
    this.#watcher.close();
  }
}

/** Throws FOLDER_UNREADABLE. Calls `onChange` after each change of what the folder says. */
export const openResourceFolder = (dir: string, clock: Clock, log: Log, onChange: () => void): ResourceFolder =>
  new Folder(dir, clock, log, onChange);
