// What an authorization server has decided, and what that changes of the request. Made by http-check.ts and grpc-check.ts.
import type { RequestHead, ResponseHead } from '../../model/http.ts';
import { normalizePath } from '../../policy/path.ts';
import type { FilterAnswer, FilterRun } from '../filter.ts';
import { FRAMING_HEADERS } from './schema.ts';

export type Verdict = Allowed | Denied;

export interface HeaderEdit {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
  /** `append`: to the value that is there, where there is one. */
  readonly action: 'set' | 'add' | 'append';
}

export interface Allowed {
  readonly allowed: true;
  readonly headers: readonly HeaderEdit[];
  readonly removed: readonly string[];
  /** Of the answer to the client. */
  readonly answerHeaders: readonly HeaderEdit[];
  readonly queryParams: readonly { readonly name: string; readonly value: string }[];
  readonly removedQueryParams: readonly string[];
}

export interface Denied {
  readonly allowed: false;
  readonly status: number;
  readonly headers: readonly HeaderEdit[];
  readonly body: string;
}

/** Who is asked for, and what Envoy keeps for itself, stay as they were. */
const isKept = (name: string): boolean =>
  (name.startsWith(':') && name !== ':path') ||
  name === 'host' ||
  name.startsWith('x-envoy-') ||
  FRAMING_HEADERS.includes(name);

const without = (headers: readonly string[], name: string): string[] => {
  const rest: string[] = [];
  for (let i = 0; i < headers.length; i += 2) if (headers[i] !== name) rest.push(headers[i]!, headers[i + 1]!);
  return rest;
};

const edited = (headers: readonly string[], edits: readonly HeaderEdit[]): string[] => {
  let all = [...headers];
  for (const { name, value, action } of edits) {
    if (action === 'set') all = without(all, name);
    if (action !== 'append') all.push(name, value);
    else {
      const last = all.findLastIndex((one, i) => i % 2 === 0 && one === name);
      if (last >= 0) all[last + 1] += `,${value}`;
    }
  }
  return all;
};

const withQuery = (query: string, { queryParams, removedQueryParams }: Allowed): string => {
  if (queryParams.length + removedQueryParams.length === 0) return query;
  const params = new URLSearchParams(query);
  for (const { name, value } of queryParams) params.set(name, value);
  for (const name of removedQueryParams) params.delete(name);
  return params.toString();
};

const TARGET = /^\/[\x21\x22\x24-\x7e]*$/;

/** False where it is none. */
const setTarget = (request: RequestHead, target: string): boolean => {
  const cut = target.indexOf('?');
  const path = TARGET.test(target) ? normalizePath(cut < 0 ? target : target.slice(0, cut)) : undefined;
  if (path === undefined) return false;
  request.path = path;
  request.query = cut < 0 ? '' : target.slice(cut + 1);
  return true;
};

/** False where the server wants what can't be done. */
const editRequest = (request: RequestHead, verdict: Allowed): boolean => {
  const { headers, removed } = verdict;
  const edits = headers.filter(({ name }) => !isKept(name));
  const target = edits.findLast(({ name }) => name === ':path')?.value;
  if (target !== undefined && !setTarget(request, target)) return false;
  request.query = withQuery(request.query, verdict);
  const rest = removed.filter((name) => !isKept(name)).reduce(without, request.headers);
  request.headers = edited(
    rest,
    edits.filter(({ name }) => name !== ':path'),
  );
  return true;
};

const ownHeaders = (headers: readonly HeaderEdit[]): HeaderEdit[] =>
  headers.filter(({ name }) => !name.startsWith(':') && !FRAMING_HEADERS.includes(name));

/** It could not be asked, or has not said anything in time. */
export const NOT_DECIDED: FilterAnswer = { status: 403, flag: 'UAEX' };
/** It has said something that can't be done. */
export const BADLY_DECIDED: FilterAnswer = { status: 500, flag: 'UAEX' };

/** The answer of a request that may not go on. */
export const carryOut = (verdict: Verdict, request: RequestHead, run: FilterRun): FilterAnswer | undefined => {
  if (!verdict.allowed) {
    const { status, headers, body } = verdict;
    return { status, body, headers: edited([], ownHeaders(headers)), flag: 'UAEX', exact: true };
  }
  if (!editRequest(request, verdict)) return BADLY_DECIDED;
  const answerHeaders = ownHeaders(verdict.answerHeaders);
  if (answerHeaders.length > 0) {
    run.onAnswer((answer: ResponseHead) => {
      answer.headers = edited(answer.headers, answerHeaders);
    });
  }
  return undefined;
};
