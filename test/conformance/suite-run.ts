// Starts a run of the conformance suite in namespaces of its own, and reads its results. Called by run.ts and conformance.test.ts.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HarnessOptions } from './options.ts';
import { buildTools } from './tools.ts';

export interface SuiteOptions {
  readonly engine: 'weft' | 'envoy';
  /** One test; else all. */
  readonly test?: string;
  /** The longest wait for anything that should come, in seconds; the suite's own waits without it. */
  readonly patience?: number;
  /** Where the suite writes its report. */
  readonly report?: string;
  readonly flags?: readonly string[];
  readonly onOutput?: (text: string) => void;
}

export interface SuiteResult {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  /** About features that are not for gateways, or not asked for. */
  readonly skipped: readonly string[];
  /** Its logs. */
  readonly folder: string;
  /** What the suite and the cluster wrote. */
  readonly output: string;
}

/** What the suite waits for, but answers of backends: those may not have started yet. */
const WAITS = [
  'CreateTimeout',
  'DeleteTimeout',
  'GatewayMustHaveAddress',
  'GatewayMustHaveCondition',
  'GatewayStatusMustHaveListeners',
  'GatewayListenersMustHaveConditions',
  'ListenerSetMustHaveCondition',
  'ListenerSetListenersMustHaveConditions',
  'GWCMustBeAccepted',
  'HTTPRouteMustNotHaveParents',
  'HTTPRouteMustHaveCondition',
  'TLSRouteMustHaveCondition',
  'TCPRouteMustHaveCondition',
  'UDPRouteMustHaveCondition',
  'RouteMustHaveParents',
  'LatestObservedGenerationSet',
  'DefaultTestTimeout',
];

const REPORT_FLAGS = ['organization=weft', 'project=weft', 'url=https://weft.dev', 'contact=https://weft.dev'];

const version = (): string => JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')).version;

const flagsOf = ({ engine, test, patience, report, flags = [] }: SuiteOptions): string[] => [
  ...(test ? [`-run-test=${test}`] : []),
  ...(patience ? [`-timeout-config-overrides=${WAITS.map((name) => `${name}:${patience}`).join(';')}`] : []),
  ...(report
    ? [
        `-report-output=${report}`,
        ...REPORT_FLAGS.map((flag) => `-${flag}`),
        `-version=${version()}`,
        `-mode=${engine === 'weft' ? 'default' : engine}`,
      ]
    : []),
  ...flags,
];

/** Where not root, as root of a namespace of users. */
const UNSHARE = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc', '--mount'];

export const runSuite = async (options: SuiteOptions): Promise<SuiteResult> => {
  const harness: HarnessOptions = {
    tools: buildTools(),
    folder: mkdtempSync(join(tmpdir(), 'weft-conformance-')),
    engine: options.engine,
    suiteFlags: flagsOf(options),
    claimed: options.report !== undefined,
  };
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const program = [process.execPath, join(import.meta.dirname, 'harness.ts'), JSON.stringify(harness)];
  const child = spawn('unshare', [...user, ...UNSHARE, ...program], { stdio: ['pipe', 'pipe', 'pipe'] });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      options.onOutput?.(text);
    });
  }
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  process.off('exit', end);
  return { ...parseResults(output), folder: harness.folder, output };
};

/** From the lines that `go test -v` ends each test with. */
export const parseResults = (output: string): Pick<SuiteResult, 'passed' | 'failed' | 'skipped'> => {
  const found = { PASS: new Set<string>(), FAIL: new Set<string>(), SKIP: new Set<string>() };
  for (const [, state, name] of output.matchAll(/--- (PASS|FAIL|SKIP): TestConformance\/([^/\s]+) \(/g)) {
    found[state as keyof typeof found].add(name!);
  }
  return { passed: [...found.PASS].sort(), failed: [...found.FAIL].sort(), skipped: [...found.SKIP].sort() };
};
