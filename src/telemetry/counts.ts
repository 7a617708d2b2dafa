// Counts of requests by key over the last minute and since the start. Bounded: keys that are too many share one.

/** What is counted under one key; all but `total` over the last minute. */
export interface KeyCounts {
  /** Since the control plane started. */
  readonly total: number;
  readonly requests: number;
  readonly perSecond: number;
  /** Without those that were denied. */
  readonly failed: number;
  readonly denied: number;
  /** By class of status, `2xx`; `tcp` for connections, `none` where there was no answer. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly averageMs: number;
}

export interface Sample {
  readonly status: string;
  readonly durationMs: number;
  readonly failed: boolean;
  readonly denied: boolean;
}

export const WINDOW_SECONDS = 60;
/** A slot holds this many seconds. */
const SLOT_SECONDS = 2;
const SLOTS = WINDOW_SECONDS / SLOT_SECONDS;

interface Slot {
  time: number;
  requests: number;
  failed: number;
  denied: number;
  durationMs: number;
  statuses: Record<string, number>;
}

const emptySlot = (time: number): Slot => ({ time, requests: 0, failed: 0, denied: 0, durationMs: 0, statuses: {} });

class Window {
  total = 0;
  lastTime = 0;
  readonly #slots: (Slot | undefined)[] = new Array(SLOTS);

  add(time: number, sample: Sample): void {
    const at = time % SLOTS;
    let slot = this.#slots[at];
    if (slot?.time !== time) {
      slot = emptySlot(time);
      this.#slots[at] = slot;
    }
    this.total++;
    this.lastTime = time;
    slot.requests++;
    slot.durationMs += sample.durationMs;
    slot.failed += +sample.failed;
    slot.denied += +sample.denied;
    slot.statuses[sample.status] = (slot.statuses[sample.status] ?? 0) + 1;
  }

  read(now: number): KeyCounts {
    const sum = emptySlot(now);
    for (const slot of this.#slots) {
      if (!slot || slot.time <= now - SLOTS || slot.time > now) continue;
      sum.requests += slot.requests;
      sum.failed += slot.failed;
      sum.denied += slot.denied;
      sum.durationMs += slot.durationMs;
      for (const [status, count] of Object.entries(slot.statuses)) {
        sum.statuses[status] = (sum.statuses[status] ?? 0) + count;
      }
    }
    const { requests, failed, denied, statuses } = sum;
    const averageMs = requests ? sum.durationMs / requests : 0;
    return { total: this.total, requests, perSecond: requests / WINDOW_SECONDS, failed, denied, statuses, averageMs };
  }
}

/** The key under which everything goes once there are too many keys. */
const OTHER_KEY = 'other';

export class Counts {
  readonly #windows = new Map<string, Window>();
  readonly #maxKeys: number;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  static #timeOf(nowMs: number): number {
    return Math.floor(nowMs / 1000 / SLOT_SECONDS);
  }

  add(key: string, nowMs: number, sample: Sample): void {
    const time = Counts.#timeOf(nowMs);
    let window = this.#windows.get(key);
    if (!window) {
      if (this.#windows.size >= this.#maxKeys) this.#forget(time);
      const used = this.#windows.size >= this.#maxKeys ? OTHER_KEY : key;
      window = this.#windows.get(used) ?? new Window();
      this.#windows.set(used, window);
    }
    window.add(time, sample);
  }

  /** Makes room by what was not seen for a window. */
  #forget(time: number): void {
    for (const [key, window] of this.#windows) {
      if (window.lastTime <= time - SLOTS) this.#windows.delete(key);
    }
  }

  *read(nowMs: number): Generator<[key: string, counts: KeyCounts]> {
    const time = Counts.#timeOf(nowMs);
    for (const [key, window] of this.#windows) yield [key, window.read(time)];
  }
}
