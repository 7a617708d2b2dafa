// What `npm test` runs: static checks, then every test file; `npm test -- unit interop` runs only those groups.
// Ends with one plain line, `N passed, N failed`. In CI a skipped test is a failure.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { endRunningFiles, runTestFile } from './test-file.ts';
import { openTally, type Tally } from './test-tally.ts';

const ROOT = join(import.meta.dirname, '..');

interface Group {
  name: string;
  folder: string;
  /** Files at once. Those that start other programs or a whole mesh run alone. */
  atOnce: number;
}

const GROUPS: readonly Group[] = [
  { name: 'unit', folder: 'src', atOnce: 2 },
  { name: 'feature', folder: 'test/feature', atOnce: 2 },
  { name: 'fuzz', folder: 'test/fuzz', atOnce: 2 },
  { name: 'interop', folder: 'test/interop', atOnce: 1 },
  { name: 'conformance', folder: 'test/conformance', atOnce: 1 },
  { name: 'e2e', folder: 'test/e2e', atOnce: 1 },
  { name: 'soak', folder: 'test/soak', atOnce: 1 },
];

const CHECKS: readonly { name: string; command: string; args: readonly string[] }[] = [
  { name: 'types (tsc)', command: 'tsc', args: [] },
  { name: 'format and lint (biome ci)', command: 'biome', args: ['ci', '--colors=off', '--error-on-warnings'] },
  { name: 'imports (check-imports)', command: process.execPath, args: ['scripts/check-imports.ts'] },
];

const runCheck = (command: string, args: readonly string[]): Promise<{ ok: boolean; output: string }> =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', (error) => resolve({ ok: false, output: error.message }));
    child.on('close', (code) => resolve({ ok: code === 0, output: Buffer.concat(chunks).toString('utf8') }));
  });

const runChecks = async (tally: Tally): Promise<void> => {
  for (const { name, command, args } of CHECKS) {
    const { ok, output } = await runCheck(command, args);
    tally.check(name, ok, output);
  }
};

const filesOf = (group: Group): string[] =>
  readdirSync(join(ROOT, group.folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(group.folder, name))
    .sort();

const runGroup = async (group: Group, tally: Tally): Promise<void> => {
  const files = filesOf(group).values();
  const worker = async () => {
    for (const file of files) tally.file(file, await runTestFile(join(ROOT, file)));
  };
  await Promise.all(Array.from({ length: group.atOnce }, worker));
};

const main = async (wanted: readonly string[]): Promise<number> => {
  const known = ['check', ...GROUPS.map(({ name }) => name)];
  const unknown = wanted.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    console.error(`error: no group of tests is called "${unknown}"\n  try: ${known.join(', ')}, or nothing for all`);
    return 2;
  }
  const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name);
  const tally = openTally({
    isCi: !['', '0', 'false'].includes(process.env.CI ?? ''),
    write: (line) => console.log(line),
  });
  if (isWanted('check')) await runChecks(tally);
  for (const group of GROUPS.filter(({ name }) => isWanted(name))) await runGroup(group, tally);
  return tally.finish() ? 0 : 1;
};

// Tools and test programs are found as npm scripts find them, also when this file is run by hand.
process.env.PATH = [join(ROOT, 'node_modules/.bin'), dirname(process.execPath), process.env.PATH].join(delimiter);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endRunningFiles();
    process.exit(130);
  });
}
process.exitCode = await main(process.argv.slice(2));
