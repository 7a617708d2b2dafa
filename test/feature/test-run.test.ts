// The test runner itself: whatever can go wrong with a test file must end as a failure that names it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runTestFile } from '../../scripts/test-file.ts';
import { openTally } from '../../scripts/test-tally.ts';

const cases: Record<string, { source: string; isCi?: boolean; ok: boolean; last: string; says?: RegExp }> = {
  'a file whose tests pass': {
    source: "test('a', () => {}); test('b', () => {});",
    ok: true,
    last: '2 passed, 0 failed',
  },
  'a failed assertion': {
    source: "test('sums', () => assert.equal(1, 2));",
    ok: false,
    last: '0 passed, 1 failed',
    says: /sums\n.*Expected values to be strictly equal/s,
  },
  'a failed test inside another counts once': {
    source: "test('outer', async (t) => { await t.test('a', () => {}); await t.test('b', () => assert.fail('no')); });",
    ok: false,
    last: '1 passed, 1 failed',
  },
  'a hook that throws': {
    source: "describe('s', () => { before(() => { throw new Error('hook'); }); test('a', () => {}); });",
    ok: false,
    last: '0 passed, 2 failed',
    says: /Error: hook/,
  },
  'an error while the file loads': {
    source: "console.log('near here'); throw new Error('no such thing');",
    ok: false,
    last: '0 passed, 1 failed',
    says: /exit code 1 before any test.*near here.*no such thing/s,
  },
  'a file that ends without tests': { source: 'process.exit(0);', ok: false, last: '0 passed, 1 failed' },
  'a file that is killed': {
    source: "test('a', async () => { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}); });",
    ok: false,
    last: '0 passed, 1 failed',
    says: /ended by SIGKILL/,
  },
  'an error after the tests have passed': {
    source: "test('a', () => {}); process.on('exit', () => { process.exitCode = 7; });",
    ok: false,
    last: '1 passed, 1 failed',
    says: /exit code 7 although its tests passed/,
  },
  'a skipped test on a contributor machine': {
    source: "test('a', () => {}); test('b', { skip: 'no envoy' }, () => {});",
    ok: true,
    last: '1 passed, 0 failed',
    says: /skipped:\n.*b: no envoy/,
  },
  'a skipped test in CI': {
    source: "test('a', () => {}); test('b', { skip: 'no envoy' }, () => {});",
    isCi: true,
    ok: false,
    last: '1 passed, 1 failed',
    says: /skipped, which CI refuses: no envoy/,
  },
};

for (const [name, { source, isCi = false, ok, last, says }] of Object.entries(cases)) {
  test(name, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'weft-test-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const file = join(dir, 'case.test.mjs');
    const imports = "import { before, describe, test } from 'node:test';\nimport assert from 'node:assert/strict';\n";
    writeFileSync(file, `${imports}${source}\n`);

    const said: string[] = [];
    const tally = openTally({ isCi, write: (line) => said.push(line) });
    tally.file('case.test.mjs', await runTestFile(file));
    assert.equal(tally.finish(), ok, said.join('\n'));
    assert.equal(said.join('\n').split('\n').at(-1), last);
    if (says) assert.match(said.join('\n'), says);
  });
}

test('a run without any test fails', () => {
  const said: string[] = [];
  const tally = openTally({ isCi: false, write: (line) => said.push(line) });
  assert.equal(tally.finish(), false);
  assert.match(said.join('\n'), /no test ran\n\n0 passed, 0 failed$/);
});

test('a failed static check counts and shows what it said', () => {
  const said: string[] = [];
  const tally = openTally({ isCi: false, write: (line) => said.push(line) });
  tally.check('types', true, '');
  tally.check('lint', false, 'a.ts:1 unused');
  assert.equal(tally.finish(), false);
  assert.match(said.join('\n'), /FAIL {2}lint\n {6}a\.ts:1 unused.*1 passed, 1 failed$/s);
});
