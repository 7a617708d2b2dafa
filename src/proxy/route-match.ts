// Compiles the conditions of one route into a test of a request head. Called by proxy/router at config time.
import { messageOf } from '../lib/errors.ts';
import { compilePattern } from '../lib/pattern.ts';
import { headerOf, type RequestHead } from '../model/http.ts';
import type { Problem } from '../model/problem.ts';
import type { RouteMatch, ValueMatch } from '../model/route.ts';

export type HeadTest = (head: RequestHead) => boolean;

/** A condition whose pattern is broken: the route takes what might have matched and answers 500. */
export interface PreparedConditions {
  /** Undefined: no condition besides the path. */
  readonly test: HeadTest | undefined;
  readonly problems: readonly Problem[];
}

/** The values of a header; several headers of one name count as one list, as HTTP and Envoy read them. */
const joinedHeader = (head: RequestHead, name: string): string | undefined => {
  const { headers } = head;
  let value: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    value = value === undefined ? headers[i + 1]! : `${value},${headers[i + 1]!}`;
  }
  return value;
};

/** The first value of a query parameter, undecoded. Undefined when it is absent; empty when it has no `=`. */
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

const valueTest = (
  match: ValueMatch,
  read: (head: RequestHead) => string | undefined,
  problems: Problem[],
  path: string,
): HeadTest => {
  const { value } = match;
  if (match.type === 'exact') return (head) => read(head) === value;
  try {
    const pattern = compilePattern(value);
    return (head) => {
      const found = read(head);
      return found !== undefined && pattern.matches(found);
    };
  } catch (error) {
    problems.push({ code: 'PATTERN_INVALID', severity: 'error', message: messageOf(error), path });
    return (head) => read(head) !== undefined;
  }
};

/** Method, headers and query of a route, all of which must hold. */
export const prepareConditions = (match: RouteMatch): PreparedConditions => {
  const problems: Problem[] = [];
  const tests: HeadTest[] = [];
  const { method } = match;
  if (method !== undefined) tests.push((head) => head.method === method);
  match.headers.forEach((header, i) => {
    const { name } = header;
    const read =
      name === 'host'
        ? (head: RequestHead) => headerOf(head, name) ?? head.host
        : (head: RequestHead) => joinedHeader(head, name);
    tests.push(valueTest(header, read, problems, `match.headers[${i}].value`));
  });
  match.queryParams.forEach((param, i) => {
    tests.push(
      valueTest(param, (head) => queryValue(head.query, param.name), problems, `match.queryParams[${i}].value`),
    );
  });
  const [only] = tests;
  const test = tests.length > 1 ? (head: RequestHead) => tests.every((one) => one(head)) : only;
  return { test, problems };
};
