// Counts test results and prints them to be read: a line per file, failures in full with the file's own output.
// Used by scripts/test.ts.
import type { FileResult } from './test-file.ts';
import type { TestLine } from './test-reporter.ts';

export interface TallyOptions {
  /** Skipped tests count as failures. */
  isCi: boolean;
  write(line: string): void;
}

export interface Tally {
  check(name: string, ok: boolean, output: string): void;
  file(name: string, result: FileResult): void;
  /** Prints what was skipped and failed, then the last line; true when something ran and nothing failed. */
  finish(): boolean;
}

const indent = (text: string, by: string): string => text.trimEnd().replaceAll(/^/gm, by);

type Verdict = { kind: 'passed' | 'none' } | { kind: 'skipped' | 'failed'; why: string };

const judge = (line: TestLine, isCi: boolean): Verdict => {
  if (line.skip !== undefined) {
    const reason = line.skip === true ? 'no reason given' : line.skip;
    return isCi ? { kind: 'failed', why: `skipped, which CI refuses: ${reason}` } : { kind: 'skipped', why: reason };
  }
  if (line.error !== undefined) return { kind: 'failed', why: line.error };
  // A suite is as good as its tests, and they are counted. So is a test that failed only by those inside it.
  return { kind: line.isSuite || !line.ok ? 'none' : 'passed' };
};

export const openTally = ({ isCi, write }: TallyOptions): Tally => {
  const skips: string[] = [];
  const failures: string[] = [];
  let passed = 0;

  return {
    check(name, ok, output) {
      if (ok) passed += 1;
      else failures.push(name);
      write(`${ok ? 'ok  ' : 'FAIL'}  ${name}`);
      if (!ok) write(indent(output, '      '));
    },
    file(name, { lines, output, problem, durationMs }) {
      const verdicts = lines.map((line) => ({ name: line.name, verdict: judge(line, isCi) }));
      const failed: string[] = [];
      const refuse = (what: string, why: string) => {
        failed.push(`${what}\n${indent(why, '  ')}`);
        failures.push(`${name}: ${what}`);
      };
      let passedHere = 0;
      let skippedHere = 0;
      for (const { name: test, verdict } of verdicts) {
        if (verdict.kind === 'passed') passedHere += 1;
        else if (verdict.kind === 'failed') refuse(test, verdict.why);
        else if (verdict.kind === 'skipped') {
          skippedHere += 1;
          skips.push(`${name}: ${test}: ${verdict.why}`);
        }
      }
      if (problem !== undefined) refuse('the file', problem);
      passed += passedHere;
      const skipText = skippedHere ? `, ${skippedHere} skipped` : '';
      const counts = `${passedHere} passed, ${failed.length} failed${skipText}`;
      write(`${failed.length ? 'FAIL' : 'ok  '}  ${name}  ${counts}  ${(durationMs / 1000).toFixed(1)}s`);
      for (const failure of failed) write(indent(failure, '      '));
      if (failed.length && output.trim()) write(`      its output:\n${indent(output, '        ')}`);
    },
    finish() {
      if (skips.length) write(`\nskipped:\n${indent(skips.join('\n'), '  ')}`);
      if (failures.length) write(`\nfailed:\n${indent(failures.join('\n'), '  ')}`);
      if (passed + failures.length === 0) write('no test ran');
      write(`\n${passed} passed, ${failures.length} failed`);
      return failures.length === 0 && passed > 0;
    },
  };
};
