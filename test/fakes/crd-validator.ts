// The validator of Kubernetes' API server over the published CustomResourceDefinitions of the Gateway API, and the files of the
// published modules. Built from test/interop/crd-validator; used by test/interop.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const SOURCE = join(import.meta.dirname, '../interop/crd-validator');
const VERSION = 'v1.7.0';

export type Json = Record<string, unknown>;

export interface Verdict {
  readonly problems: readonly { readonly type: string; readonly field: string; readonly detail: string }[];
  /** Paths of fields that were left out. */
  readonly unknown: readonly string[] | null;
  /** Pruned and with defaults. */
  readonly object: Json;
}

const go = (args: readonly string[], input?: string): string =>
  execFileSync('go', args, {
    cwd: SOURCE,
    encoding: 'utf8',
    input,
    env: { ...process.env, GOTOOLCHAIN: 'go1.27.0' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });

/** The folder of a published module, downloaded where it is not there yet. */
const moduleFolder = (name: string): string =>
  (JSON.parse(go(['mod', 'download', '-json', `${name}@${VERSION}`])) as { Dir: string }).Dir;

export const apiFolder = (): string => moduleFolder('sigs.k8s.io/gateway-api');
export const conformanceFolder = (): string => moduleFolder('sigs.k8s.io/gateway-api/conformance');

/** The files of the CustomResourceDefinitions, with all that is experimental. */
export const crdFiles = (): string[] => {
  const folder = join(apiFolder(), 'config/crd/experimental');
  const names = readdirSync(folder).filter((name) => /^gateway\.networking\.(x-)?k8s\.io_/.test(name));
  return names.filter((name) => !name.includes('_vap_')).map((name) => join(folder, name));
};

/** What an API server makes of each object; `old` is the one that it replaces. */
export const officialVerdicts = (asked: readonly { readonly object: Json; readonly old?: Json }[]): Verdict[] => {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weft-tests');
  const program = join(folder, 'crd-validator');
  go(['build', '-o', program, '.']);
  const input = asked.map((one) => `${JSON.stringify(one)}\n`).join('');
  // It runs for seconds and leaves much behind: collecting it seldom takes off a third of the time.
  const env = { ...process.env, GOGC: '800' };
  const output = execFileSync(program, crdFiles(), { input, env, encoding: 'utf8', maxBuffer: 1 << 30 });
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Verdict);
};
