// An authorization server of plain HTTP: it is sent the head of the request, and lets it pass by answering 200. Used by proxy.ts.
import type { RequestHead } from '../../model/http.ts';
import type { AsideAnswer, AsideRequest } from '../filter.ts';
import { ALWAYS_TOLD, CONTENT_PREFIX, type ExternalAuth } from './schema.ts';
import type { HeaderEdit, Verdict } from './verdict.ts';

type HttpQuestion = Omit<AsideRequest, 'cluster' | 'timeoutMs'>;

export const httpQuestion = ({ pathPrefix, requestHeaders }: ExternalAuth) => {
  const told = new Set([...ALWAYS_TOLD, ...requestHeaders].filter((name) => name !== 'host'));
  return ({ method, path, query, host, headers }: RequestHead, body: Buffer | undefined): HttpQuestion => {
    const sent: string[] = [];
    for (let i = 0; i < headers.length; i += 2) if (told.has(headers[i]!)) sent.push(headers[i]!, headers[i + 1]!);
    return { method, path: `${pathPrefix}${path}`, query, host, headers: sent, body, mayRepeat: false };
  };
};

const editsOf = (headers: readonly string[], passes: (name: string) => boolean): HeaderEdit[] => {
  const edits: HeaderEdit[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (!passes(name)) continue;
    edits.push({ name, value: headers[i + 1]!, action: seen.has(name) ? 'add' : 'set' });
    seen.add(name);
  }
  return edits;
};

/** Undefined where the server itself has failed. */
export const httpVerdict = ({ responseHeaders }: ExternalAuth) => {
  const wanted = new Set(responseHeaders);
  const passes = (name: string) => (wanted.size > 0 ? wanted.has(name) : !name.startsWith(CONTENT_PREFIX));
  return ({ status, headers, body }: AsideAnswer): Verdict | undefined => {
    if (status >= 500) return undefined;
    if (status !== 200) return { allowed: false, status, headers: editsOf(headers, isPassedOn), body: body.toString() };
    return {
      allowed: true,
      headers: editsOf(headers, passes),
      removed: [],
      answerHeaders: [],
      queryParams: [],
      removedQueryParams: [],
    };
  };
};

/** Of a denial; the proxy says these itself. */
const isPassedOn = (name: string): boolean => name !== 'date' && name !== 'server';
