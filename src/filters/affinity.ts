// Why a request goes to one endpoint rather than another, as session-affinity and hash-affinity say it to the own engine.
import type { RequestHead } from '../model/http.ts';
import type { Endpoint } from '../model/snapshot.ts';

export interface AffinityPart {
  /** Endpoints are chosen by it. */
  readonly hash?: number;
  /** Address and port of the endpoint that has the client's session. */
  readonly place?: string;
  /** Adds to the answer what the client has to send with its next request. */
  mark?(headers: string[], endpoint: Endpoint, nowMs: number): void;
}

/** `nowMs`: for sessions that end. */
export type TakeAffinityPart = (head: RequestHead, clientAddress: string, nowMs: number) => AffinityPart;

export const NO_AFFINITY: AffinityPart = {};
