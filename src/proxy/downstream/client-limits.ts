// Limits on the connections of clients: how many requests one may carry, how old it may become; and what was ended by one.
// Used by downstream.ts and downstream-http2.ts.

import type { ProxyContext } from '../context.ts';
import { Deadline } from '../deadlines.ts';
import type { PreparedHttp } from '../listen/chain.ts';

/** Of the listeners of one direction; by Envoy's names in admin/stats.ts. */
export class LimitCounts {
  headTimeouts = 0;
  requestTimeouts = 0;
  stalledRequests = 0;
  largeRequests = 0;
  idleConnections = 0;
  oldConnections = 0;
  usedConnections = 0;
}

/** What one connection may still do. */
export class Allowance {
  readonly #context: ProxyContext;
  readonly #http: PreparedHttp;
  readonly #deadline: Deadline;
  #requests = 0;
  #isOld = false;

  constructor(context: ProxyContext, http: PreparedHttp, onOld: () => void) {
    this.#context = context;
    this.#http = http;
    this.#deadline = new Deadline(() => {
      this.#isOld = true;
      context.stats.by[http.direction].limits.oldConnections++;
      onOld();
    });
    const ageMs = http.handler.limits?.maxConnectionMs;
    if (ageMs !== undefined) context.deadlines.set(this.#deadline, context.deadlines.now() + ageMs);
  }

  /** A request has begun. */
  take(): void {
    if (++this.#requests === this.#http.handler.limits?.maxRequestsPerConnection) {
      this.#context.stats.by[this.#http.direction].limits.usedConnections++;
    }
  }

  /** No request may follow. */
  get isUsedUp(): boolean {
    return this.#isOld || this.#requests >= (this.#http.handler.limits?.maxRequestsPerConnection ?? Infinity);
  }

  close(): void {
    this.#context.deadlines.remove(this.#deadline);
  }
}

/** Undefined where the connection may be used without end; what is configured later holds for later ones. */
export const allowanceOf = (context: ProxyContext, http: PreparedHttp, onOld: () => void): Allowance | undefined => {
  const { maxConnectionMs, maxRequestsPerConnection } = http.handler.limits ?? {};
  const isLimited = maxConnectionMs !== undefined || maxRequestsPerConnection !== undefined;
  return isLimited ? new Allowance(context, http, onOld) : undefined;
};
