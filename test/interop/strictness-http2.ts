// What Weft's proxy and Envoy make of HTTP/2 connections that break the rules or lean on them: one table, by a sentence each.
// Called by strictness-http2.test.ts; the differences also stand in docs/http2.md.
import type { Verdicts } from './strictness-cases.ts';
import { compressionCases, floodCases, frameCases } from './strictness-http2-frames.ts';
import { bodyCases, fieldCases, pseudoCases } from './strictness-http2-heads.ts';

/** Frames behind the preface and SETTINGS. The verdict is what StrictBench.http2 says. */
export type Http2Case = Verdicts & {
  readonly send: string;
  /** False where the case is about the connection, not about the request on stream 1. */
  readonly waits?: false;
};

export const http2Table: Readonly<Record<string, Readonly<Record<string, Http2Case>>>> = {
  'Pseudo headers': pseudoCases,
  Fields: fieldCases,
  'Lengths and bodies': bodyCases,
  'Header compression': compressionCases,
  Frames: frameCases,
  Floods: floodCases,
};
