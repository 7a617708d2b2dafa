// What Weft's proxy and Envoy make of HTTP/1 messages that two readers could read differently: one table, by a sentence each.
// Called by strictness.test.ts; the differences also stand in docs/http.md.
import { answerCases } from './strictness-answers.ts';
import { connectionCases, expectCases, hostCases } from './strictness-fields.ts';
import { chunkCases, codingCases, lengthCases } from './strictness-framing.ts';
import { lineCases, requestLineCases } from './strictness-heads.ts';

/** Where Envoy's verdict is another one, there is a reason. */
export type Verdicts =
  | { readonly weft: string; readonly envoy?: undefined; readonly why?: undefined }
  | { readonly weft: string; readonly envoy: string; readonly why: string };

/**
 * A request: the verdict is what the backend must read (fields sorted, several requests joined by `++`), or the status with
 * which it is refused.
 */
export type StrictnessCase = Verdicts & { readonly send: string };

/** An answer of the backend: the verdict is what the client must read, or 502 or 503. */
export type AnswerCase = StrictnessCase & {
  /** The backend closes the connection behind it. */
  readonly close?: boolean;
  /** Of the request; GET when left out. */
  readonly method?: string;
};

export const requestTable: Readonly<Record<string, Readonly<Record<string, StrictnessCase>>>> = {
  'Content-Length': lengthCases,
  'Transfer-Encoding': codingCases,
  Chunks: chunkCases,
  Lines: lineCases,
  'Request line': requestLineCases,
  'Host and target': hostCases,
  Connection: connectionCases,
  Expect: expectCases,
};

export const answerTable: Readonly<Record<string, AnswerCase>> = answerCases;
