// The official conformance suite of the Gateway API on both engines: all that it has for gateways passes, but what
// known-failures.txt names. That list may only get shorter: a test of it that passes fails this one.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseResults, runSuite } from './suite-run.ts';

const known = readFileSync(join(import.meta.dirname, 'known-failures.txt'), 'utf8')
  .split('\n')
  .filter(Boolean);

for (const engine of ['weft', 'envoy'] as const) {
  test(`the suite passes on ${engine}`, { timeout: 12 * 60_000 }, async () => {
    const { passed, failed, skipped, folder, output } = await runSuite({ engine });
    assert.ok(passed.length + failed.length > 100, `the suite did not run, logs: ${folder}\n${output.slice(-4000)}`);
    assert.deepEqual(failed, known, `other tests failed than are known to; logs: ${folder}`);
    assert.deepEqual(
      skipped.filter((name) => !name.startsWith('Mesh')),
      [],
      'only tests of meshes may be left out',
    );
    rmSync(folder, { recursive: true, force: true });
  });
}

test('results are read from what go test says', () => {
  const output = `
=== RUN   TestConformance/One
    --- PASS: TestConformance/One (0.14s)
        --- PASS: TestConformance/One/a_part (0.02s)
    --- FAIL: TestConformance/Two (1.14s)
    --- SKIP: TestConformance/Three (0.00s)
`;
  assert.deepEqual(parseResults(output), { passed: ['One'], failed: ['Two'], skipped: ['Three'] });
});
