// Since when each part of the configuration is in use, and since which revision. Kept by proxy.ts and workers/group.ts.
import type { Snapshot } from '../../model/snapshot.ts';

export interface PartVersion {
  readonly revision: number;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
}

/** Parts that are equal keep their identity from one snapshot to the next, and with it their version. */
export class PartVersions {
  readonly #known = new WeakMap<object, PartVersion>();
  latest: PartVersion;

  constructor(openedAtMs: number) {
    this.latest = { revision: 0, atMs: openedAtMs };
  }

  note(snapshot: Snapshot, atMs: number): void {
    this.latest = { revision: snapshot.revision, atMs };
    const { listeners, routes, clusters, endpoints, secrets } = snapshot;
    for (const parts of [listeners, routes, clusters, endpoints, secrets]) {
      for (const part of parts.values()) if (!this.#known.has(part)) this.#known.set(part, this.latest);
    }
  }

  of(part: object): PartVersion {
    return this.#known.get(part) ?? this.latest;
  }
}
