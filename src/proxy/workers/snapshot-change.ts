// What is new in a snapshot, so that a worker is sent only that; parts that stay keep their identity there too.
// Called by group.ts and worker.ts.
import type { Snapshot } from '../../model/snapshot.ts';

interface MapChange {
  readonly set: readonly (readonly [string, unknown])[];
  readonly gone: readonly string[];
}

export interface SnapshotChange {
  readonly maps: Readonly<Record<string, MapChange>>;
  readonly values: Readonly<Record<string, unknown>>;
}

type Parts = Readonly<Record<string, unknown>>;

const mapChange = (before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): MapChange => ({
  set: [...after].filter(([key, value]) => before.get(key) !== value),
  gone: [...before.keys()].filter((key) => !after.has(key)),
});

const mapOf = (value: unknown): ReadonlyMap<string, unknown> => (value instanceof Map ? value : new Map());

export const changeOf = (before: Snapshot | undefined, after: Snapshot): SnapshotChange => {
  const maps: Record<string, MapChange> = {};
  const values: Record<string, unknown> = {};
  const [old, now]: [Parts, Parts] = [{ ...before }, { ...after }];
  for (const part of new Set([...Object.keys(old), ...Object.keys(now)])) {
    const value = now[part];
    if (value instanceof Map) maps[part] = mapChange(mapOf(old[part]), value);
    else if (value !== old[part]) values[part] = value;
  }
  return { maps, values };
};

export const applyChange = (before: Snapshot | undefined, { maps, values }: SnapshotChange): Snapshot => {
  const parts: Record<string, unknown> = { ...before, ...values };
  for (const [part, { set, gone }] of Object.entries(maps)) {
    const old = mapOf(parts[part]);
    if (parts[part] === old && set.length + gone.length === 0) continue;
    const map = new Map([...old, ...set]);
    for (const key of gone) map.delete(key);
    parts[part] = map;
  }
  return parts as unknown as Snapshot;
};
