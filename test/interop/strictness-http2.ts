// What Weft's proxy and Envoy make of HTTP/2 connections that break the rules or lean on them: one table, by a sentence each.
// Called by strictness-http2.test.ts; the differences also stand in docs/http2.md.
import type { FramesOf } from '../fakes/strict-http2-backend.ts';
import type { Verdicts } from './strictness-cases.ts';
import { answerCases } from './strictness-http2-answers.ts';
import { compressionCases, floodCases, frameCases } from './strictness-http2-frames.ts';
import { bodyCases, fieldCases, pseudoCases } from './strictness-http2-heads.ts';

/** Frames behind the preface and SETTINGS. The verdict is what StrictBench.http2 says. */
export type Http2Case = Verdicts & {
  readonly send: string;
  /** False where the case is about the connection, not about the request on stream 1. */
  readonly waits?: false;
};

/** An answer of a backend over HTTP/2 to a client over HTTP/1: the verdict is what the client must read, or 502 or 503. */
export type Http2AnswerCase = Verdicts & { readonly send: FramesOf };

export const http2Table: Readonly<Record<string, Readonly<Record<string, Http2Case>>>> = {
  'Pseudo headers': pseudoCases,
  Fields: fieldCases,
  'Lengths and bodies': bodyCases,
  'Header compression': compressionCases,
  Frames: frameCases,
  Floods: floodCases,
};

export const http2AnswerTable: Readonly<Record<string, Http2AnswerCase>> = answerCases;
