// Pools of one endpoint whose connections begin with a PROXY protocol header: one for each client's connection, as the
// header speaks for all that follows it. Made by clusters.ts.
import type { Cluster } from '../../model/snapshot.ts';
import type { EndpointPool, Waiter } from '../upstream/pool.ts';
import type { Origin } from './header.ts';

/** A client that would need one connection more than there may be does not wait for another client's. */
const FULL: EndpointPool = {
  open: 0,
  idle: 0,
  waiting: 0,
  update: () => {},
  acquire: (waiter) => waiter.onNoStream('overflow', undefined),
  cancel: () => {},
  drain: () => {},
  close: () => {},
};

export class OriginPools implements EndpointPool {
  readonly #pools = new Map<string, EndpointPool>();
  readonly #make: (origin: Origin, cluster: Cluster) => EndpointPool;
  #cluster: Cluster;

  constructor(cluster: Cluster, make: (origin: Origin, cluster: Cluster) => EndpointPool) {
    this.#cluster = cluster;
    this.#make = make;
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

  #sum(count: 'open' | 'idle' | 'waiting'): number {
    let sum = 0;
    for (const pool of this.#pools.values()) sum += pool[count];
    return sum;
  }

  of({ peerAddress, peerPort, localAddress, localPort }: Origin): EndpointPool {
    const key = `${peerAddress} ${peerPort} ${localAddress} ${localPort}`;
    const known = this.#pools.get(key);
    // A connection of HTTP/2 takes more than one request.
    if (known && (this.#cluster.protocol === 'http2' ? known.open : known.idle) > 0) return known;
    if (this.open >= this.#cluster.maxConnections && !this.#makeRoom()) return FULL;
    if (known) return known;
    for (const [other, pool] of this.#pools) if (pool.open === 0) this.#pools.delete(other);
    const pool = this.#make({ peerAddress, peerPort, localAddress, localPort }, this.#cluster);
    this.#pools.set(key, pool);
    return pool;
  }

  /** Closes the unused connections of another client. */
  #makeRoom(): boolean {
    for (const [key, pool] of this.#pools) {
      if (pool.idle === 0 || pool.idle < pool.open) continue;
      this.#pools.delete(key);
      pool.close();
      return true;
    }
    return false;
  }

  update(cluster: Cluster): void {
    this.#cluster = cluster;
    for (const pool of this.#pools.values()) pool.update(cluster);
  }

  acquire(waiter: Waiter): void {
    FULL.acquire(waiter, false);
  }

  cancel(): void {}

  drain(): void {
    for (const pool of this.#pools.values()) pool.drain();
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close();
  }
}
