// How compile words what it could not use: one problem about one resource.
import { resourceRef } from '../kinds/problems.ts';
import type { Problem } from '../model/problem.ts';
import type { Input } from './input.ts';

type Details = { readonly path?: string; readonly hint?: string };

export const problemOf = (
  { resource }: Input,
  code: string,
  message: string,
  { path, hint }: Details = {},
): Problem => ({
  code,
  severity: 'error',
  message,
  resource: resourceRef(resource),
  ...(path ? { path } : {}),
  ...(hint ? { hint } : {}),
});

/** A published field that Weft does not honour. */
export const notSupported = (input: Input, path: string, what: string, hint?: string): Problem =>
  problemOf(input, 'NOT_SUPPORTED', `${path}: ${what} is not supported`, { path, ...(hint ? { hint } : {}) });

export const warning = (problem: Problem): Problem => ({ ...problem, severity: 'warning' });
