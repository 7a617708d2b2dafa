// Pools of one endpoint that is asked in the version of HTTP that each client speaks. Made by clusters.ts.
import type { Cluster } from '../../model/snapshot.ts';
import type { EndpointPool, Waiter } from './pool.ts';

export class VersionPools implements EndpointPool {
  #cluster: Cluster;
  readonly #make: (version: 'http1' | 'http2', cluster: Cluster) => EndpointPool;
  readonly #pools = new Map<'http1' | 'http2', EndpointPool>();

  constructor(cluster: Cluster, make: (version: 'http1' | 'http2', cluster: Cluster) => EndpointPool) {
    this.#cluster = cluster;
    this.#make = make;
  }

  of(version: 'http1' | 'http2'): EndpointPool {
    let pool = this.#pools.get(version);
    if (!pool) {
      pool = this.#make(version, this.#cluster);
      this.#pools.set(version, pool);
    }
    return pool;
  }

  #sum(count: 'open' | 'idle' | 'waiting'): number {
    let sum = 0;
    for (const pool of this.#pools.values()) sum += pool[count];
    return sum;
  }

  get open(): number {
    return this.#sum('open');
  }

  get idle(): number {
    return this.#sum('idle');
  }

  get waiting(): number {
    return this.#sum('waiting');
  }

  update(cluster: Cluster): void {
    this.#cluster = cluster;
    for (const pool of this.#pools.values()) pool.update(cluster);
  }

  acquire(waiter: Waiter, fresh: boolean): void {
    this.of('http1').acquire(waiter, fresh);
  }

  cancel(waiter: Waiter): void {
    for (const pool of this.#pools.values()) pool.cancel(waiter);
  }

  drain(): void {
    for (const pool of this.#pools.values()) pool.drain();
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close();
  }
}
