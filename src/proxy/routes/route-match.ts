// Compiles the conditions of one route into a test of a request head. Called by proxy/router at config time.
import { messageOf } from '../../lib/errors.ts';
import { compilePattern } from '../../lib/pattern.ts';
import type { RequestHead } from '../../model/http.ts';
import type { Problem } from '../../model/problem.ts';
import type { RouteMatch, ValueMatch } from '../../model/route.ts';

export type HeadTest = (head: RequestHead) => boolean;

export interface PreparedConditions {
  /** Undefined: no condition besides the path. */
  readonly test: HeadTest | undefined;
  readonly problems: readonly Problem[];
}

/** The first value of a query parameter, undecoded, as Envoy compares it. Undefined when it is absent; empty when it has no `=`. */
export const queryValue = (query: string, name: string): string | undefined => {
  for (let start = 0; start < query.length; ) {
    const found = query.indexOf('&', start);
    const end = found < 0 ? query.length : found;
    if (query.startsWith(name, start)) {
      const after = start + name.length;
      if (after === end) return '';
      if (after < end && query.charCodeAt(after) === 61) return query.slice(after + 1, end);
    }
    start = end + 1;
  }
  return undefined;
};

type ValueTest = (value: string) => boolean;

/** A condition whose pattern is broken holds for any value, and its route answers 500. */
const prepareValueTest = (match: ValueMatch, problems: Problem[], path: string): ValueTest => {
  const wanted = match.value;
  if (match.type === 'exact') return (value) => value === wanted;
  try {
    const pattern = compilePattern(wanted);
    return (value) => pattern.matches(value);
  } catch (error) {
    problems.push({ code: 'PATTERN_INVALID', severity: 'error', message: messageOf(error), path });
    return () => true;
  }
};

/** Of several headers with one name any may match, as Envoy has it. */
const headerTest = (name: string, holds: ValueTest): HeadTest => {
  if (name === 'host') return (head) => holds(head.host);
  return ({ headers }) => {
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name && holds(headers[i + 1]!)) return true;
    return false;
  };
};

const queryTest =
  (name: string, holds: ValueTest): HeadTest =>
  ({ query }) => {
    const value = queryValue(query, name);
    return value !== undefined && holds(value);
  };

/** Method, headers and query of a route, all of which must hold. */
export const prepareConditions = (match: RouteMatch): PreparedConditions => {
  const problems: Problem[] = [];
  const tests: HeadTest[] = [];
  const { method } = match;
  if (method !== undefined) tests.push((head) => head.method === method);
  match.headers.forEach((header, i) => {
    tests.push(headerTest(header.name, prepareValueTest(header, problems, `match.headers[${i}].value`)));
  });
  match.queryParams.forEach((param, i) => {
    tests.push(queryTest(param.name, prepareValueTest(param, problems, `match.queryParams[${i}].value`)));
  });
  const [only] = tests;
  const test = tests.length > 1 ? (head: RequestHead) => tests.every((one) => one(head)) : only;
  return { test, problems };
};
