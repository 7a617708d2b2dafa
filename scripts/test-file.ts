// Runs one test file in a process of its own, and ends it with all it started when it does not end by itself.
// Called by scripts/test.ts.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestLine } from './test-reporter.ts';

export interface FileResult {
  lines: TestLine[];
  /** What it wrote to stdout and stderr, the last part of it. */
  output: string;
  /** What went wrong with the process itself, apart from its tests. */
  problem?: string;
  durationMs: number;
}

// One test, and the whole file. Both far over what any test needs, so that a loaded machine never hits them.
const TEST_TIMEOUT_MS = 240_000;
const FILE_TIMEOUT_MS = 900_000;
const KEPT_OUTPUT = 20_000;

const running = new Set<number>();

const endGroup = (pid: number) => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
};

/** Ends what still runs; for Ctrl-C. */
export const endRunningFiles = (): void => {
  for (const pid of running) endGroup(pid);
};

const parseLines = (text: string): TestLine[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as TestLine);

const problemOf = (code: number | null, signal: string | null, hasHung: boolean, lines: TestLine[]) => {
  if (hasHung) return `did not end within ${FILE_TIMEOUT_MS / 1000} s: something in it is still open`;
  if (signal) return `ended by ${signal}`;
  if (lines.length === 0) return code ? `ended with exit code ${code} before any test` : 'has no tests';
  return code && lines.every((line) => line.ok) ? `ended with exit code ${code} although its tests passed` : undefined;
};

const runProcess = (path: string, reportPath: string) =>
  new Promise<{ code: number | null; signal: string | null; hasHung: boolean; output: string }>((resolve) => {
    // Set when this runs inside a test itself; the file would then report to that one.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        `--test-timeout=${TEST_TIMEOUT_MS}`,
        `--test-reporter=${join(import.meta.dirname, 'test-reporter.ts')}`,
        `--test-reporter-destination=${reportPath}`,
        path,
      ],
      // A group of its own, so that what a test has left behind can be ended with it.
      { detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const pid = child.pid;
    if (pid !== undefined) running.add(pid);
    let output = '';
    let hasHung = false;
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-KEPT_OUTPUT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const watchdog = setTimeout(() => {
      hasHung = true;
      if (pid !== undefined) endGroup(pid);
    }, FILE_TIMEOUT_MS);
    child.on('error', (error) => {
      output += error.message;
    });
    child.on('exit', (code, signal) => {
      clearTimeout(watchdog);
      // Whatever the file left running would hold its output open, and us with it.
      if (pid !== undefined) {
        endGroup(pid);
        running.delete(pid);
      }
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code, signal, hasHung, output });
    });
  });

export const runTestFile = async (path: string): Promise<FileResult> => {
  const dir = await mkdtemp(join(tmpdir(), 'weft-test-'));
  const reportPath = join(dir, 'report.ndjson');
  const begun = performance.now();
  try {
    const { code, signal, hasHung, output } = await runProcess(path, reportPath);
    const lines = parseLines(await readFile(reportPath, 'utf8').catch(() => ''));
    const problem = problemOf(code, signal, hasHung, lines);
    return { lines, output, durationMs: performance.now() - begun, ...(problem && { problem }) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
};
