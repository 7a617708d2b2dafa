// Which ports the workers of this process share. The kernel lets programs of one user share a port that all of them ask to
// share: so that nobody else's is shared unnoticed, a port is tried alone first, and looked at again once it is bound.
// Kept by group.ts.
import { createServer } from 'node:net';
import { sharesPort } from '../../lib/ports.ts';
import type { Problem } from '../../model/problem.ts';
import type { Listener } from '../../model/snapshot.ts';
import { type BoundAddress, bindProblem, placeOf } from '../listen/bound.ts';

interface Place {
  readonly port: number;
  readonly holders: Set<object>;
  isChecked: boolean;
}

/** The port, which was free a moment ago, or why it can't be had. */
const tryAlone = (listener: Listener, port: number): Promise<number | Problem> =>
  new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => resolve(bindProblem(listener, error)));
    server.listen({ host: listener.address, port, exclusive: true }, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound ? bound.port : port));
    });
  });

export class SharedPorts {
  readonly #places = new Map<string, Place>();
  /** Of this round, by place: all workers get the same answer. */
  readonly #answers = new Map<string, Promise<number | Problem>>();

  /** What could not be had may be had now. */
  beginRound(): void {
    this.#answers.clear();
  }

  claim(listener: Listener): Promise<number | Problem> {
    const place = placeOf(listener);
    const known = this.#places.get(place);
    if (known && known.holders.size > 0) return Promise.resolve(known.port);
    let answer = this.#answers.get(place);
    if (!answer) {
      answer = this.#tryNew(listener, known?.port ?? listener.port);
      this.#answers.set(place, answer);
    }
    return answer;
  }

  async #tryNew(listener: Listener, port: number): Promise<number | Problem> {
    // A worker may still hold it under another address, which it gives up in this same round.
    const isOwn = [...this.#places.values()].some((place) => place.port === port && place.holders.size > 0);
    const answer = isOwn ? port : await tryAlone(listener, port);
    if (typeof answer === 'number') {
      this.#places.set(placeOf(listener), { port: answer, holders: new Set(), isChecked: false });
    }
    return answer;
  }

  /** What a worker has bound now. */
  setBound(worker: object, bound: readonly BoundAddress[], listeners: ReadonlyMap<string, Listener>): void {
    const held = new Set(bound.flatMap(({ name }) => (listeners.has(name) ? [placeOf(listeners.get(name)!)] : [])));
    for (const [place, { holders }] of this.#places) {
      if (held.has(place)) holders.add(worker);
      else holders.delete(worker);
      if (holders.size === 0 && ![...listeners.values()].some((listener) => placeOf(listener) === place)) {
        this.#places.delete(place);
      }
    }
  }

  /** The worker has ended. */
  forget(worker: object): void {
    for (const { holders } of this.#places.values()) holders.delete(worker);
  }

  /** Listeners on whose port another program listens too, though it was free. */
  stolen(listeners: ReadonlyMap<string, Listener>): Listener[] {
    return [...listeners.values()].filter((listener) => {
      const place = this.#places.get(placeOf(listener));
      if (!place || place.isChecked || place.holders.size === 0) return false;
      place.isChecked = true;
      return sharesPort(place.port);
    });
  }
}
