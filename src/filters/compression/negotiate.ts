// Which encoding an answer gets, by what the client accepts (RFC 9110, 12.5.3) and what the answer says of itself. Used by proxy.ts.
import { headerOf, type ResponseHead } from '../../model/http.ts';
import { CONTENT_TYPES, type Encoding } from './schema.ts';

const QUALITY = /^\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*$/i;

const qualityOf = (parameter: string | undefined): number => {
  if (parameter === undefined) return 1;
  return Number(QUALITY.exec(parameter)?.[1] ?? 0);
};

/** Of what a client likes equally the first that it names; `*` is the first of ours. Undefined: as it is. */
export const chooseEncoding = (accepted: string, encodings: readonly Encoding[]): Encoding | undefined => {
  let best: Encoding | undefined;
  let quality = 0;
  for (const entry of accepted.split(',')) {
    const [coding = '', parameter] = entry.split(';');
    const name = coding.trim().toLowerCase();
    const isIdentity = name === 'identity';
    const found = name === '*' ? encodings[0] : encodings.find((one) => one.name === name);
    if (!found && !isIdentity) continue;
    const wanted = qualityOf(parameter);
    if (wanted <= quality) continue;
    quality = wanted;
    best = isIdentity ? undefined : found;
  }
  return best;
};

const PARTIAL_CONTENT = 206;
const TYPES = new Set(CONTENT_TYPES);

/** It is worth it, and its sender allows it. */
export const isCompressible = (answer: ResponseHead): boolean => {
  if (answer.status === PARTIAL_CONTENT) return false;
  const type = headerOf(answer, 'content-type');
  if (type !== undefined && !TYPES.has(type.split(';', 1)[0]!.trim().toLowerCase())) return false;
  if (headerOf(answer, 'content-encoding') !== undefined) return false;
  return !/\bno-transform\b/i.test(headerOf(answer, 'cache-control') ?? '');
};
