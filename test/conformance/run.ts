// node test/conformance/run.ts [--run-test NAME] [--engine weft|envoy] [--patience SECONDS] [--report] [--verbose] [-- FLAGS]
// Runs the official conformance suite of the Gateway API against `weft control`, as a developer or `npm run conformance`.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runSuite } from './suite-run.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'run-test': { type: 'string' },
    engine: { type: 'string', default: 'weft' },
    patience: { type: 'string' },
    report: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});
const engine = values.engine === 'envoy' ? 'envoy' : 'weft';
const reports = join(import.meta.dirname, '../../docs/conformance');
if (values.report) mkdirSync(reports, { recursive: true });

const isAboutTests = (line: string): boolean => /^( {4}--- (PASS|FAIL)|\s+--- FAIL)/.test(line);
let rest = '';
const result = await runSuite({
  engine,
  ...(values['run-test'] !== undefined && { test: values['run-test'] }),
  ...(values.patience !== undefined && { patience: Number(values.patience) }),
  ...(values.report && { report: join(reports, `${engine}.yaml`) }),
  flags: positionals,
  onOutput: (text) => {
    if (values.verbose) process.stdout.write(text);
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (!values.verbose) for (const line of lines.filter(isAboutTests)) console.log(line);
  },
});
const { passed, failed, skipped, folder, output } = result;
if (!values.verbose && passed.length + failed.length === 0) console.log(output.slice(-4000));
console.log(`\n${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped; logs: ${folder}`);
for (const name of failed) console.log(`failed: ${name}`);
process.exitCode = failed.length === 0 && passed.length > 0 ? 0 : 1;
