// What a proxy knows of one endpoint of a cluster while it is there. Made by balancer.ts; counted by whoever sends to it.
import type { Endpoint } from '../../model/snapshot.ts';

/** A live endpoint. The same object for as long as its address and port stay in the cluster. */
export class EndpointState<Pool = unknown> {
  /** As last published; weight, health and identity may change. */
  endpoint: Endpoint;
  /** Requests or connections now in work; whoever picks counts it up and down. */
  active = 0;
  /** All that were ever given to it. */
  total = 0;
  /** Requests that ended with an answer below 500, those that did not, and those of these that took too long. */
  successes = 0;
  errors = 0;
  timeouts = 0;
  /** No longer in the cluster. */
  gone = false;
  /** Free for the owner of connections. */
  pool: Pool | undefined = undefined;
  /** Left out for its bad answers. */
  ejected = false;
  /** By the proxy's own checks; undefined: there are none. */
  check: 'pending' | 'passed' | 'failed' | undefined = undefined;
  /** Since when it is new, in monotonic milliseconds; 0: it is not. */
  newSince = 0;
  /** For `peak-ewma`: milliseconds that an answer is thought to take, and when that was last corrected. */
  cost = 0;
  costAt = 0;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  /** It gets new requests. */
  get available(): boolean {
    return this.endpoint.health === 'healthy' && !this.ejected && (this.check === undefined || this.check === 'passed');
  }

  get weight(): number {
    return Math.max(1, this.endpoint.weight);
  }

  resetCounters(): void {
    this.total = this.successes = this.errors = this.timeouts = 0;
  }
}
