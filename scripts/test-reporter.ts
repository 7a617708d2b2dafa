// A node:test reporter: one JSON line per finished test. scripts/test.ts gives it to each test file's process and reads the lines.
import { inspect } from 'node:util';

/** One finished test or suite. */
export interface TestLine {
  name: string;
  ok: boolean;
  isSuite: boolean;
  /** The reason, or true without one; also set for `todo`. */
  skip?: string | true;
  /** Why it failed; absent when only tests inside it did, which have lines of their own. */
  error?: string;
}

interface TestEvent {
  type: string;
  data: {
    name: string;
    skip?: string | boolean;
    todo?: string | boolean;
    details?: { type?: string; error?: unknown };
  };
}

const stackOf = (error: Error): string =>
  (error.stack ?? error.message)
    .split('\n')
    .filter((line) => !/^\s+at .*\bnode:/.test(line))
    .join('\n');

const describe = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return inspect(error);
  if ('failureType' in error && error.failureType === 'subtestsFailed') return undefined;
  const cause = 'failureType' in error ? error.cause : error;
  if (typeof cause === 'string') return cause;
  return cause instanceof Error ? stackOf(cause) : inspect(cause);
};

const lineOf = ({ type, data }: TestEvent): TestLine => {
  const skipped = [data.skip, data.todo].find((reason) => reason !== undefined && reason !== false);
  const error = type === 'test:fail' ? describe(data.details?.error) : undefined;
  return {
    name: data.name,
    ok: type === 'test:pass',
    isSuite: data.details?.type === 'suite',
    ...(skipped !== undefined && { skip: skipped || true }),
    ...(error !== undefined && { error }),
  };
};

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type === 'test:pass' || event.type === 'test:fail') yield `${JSON.stringify(lineOf(event))}\n`;
  }
}
