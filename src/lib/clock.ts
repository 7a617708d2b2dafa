// Time as an argument: the only place that reads the system's clock or sets its timers.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Monotonic milliseconds, with fractions. */
  monotonic(): number;
  /** Calls `fn` once after `ms`; the timer does not keep the process alive unless `keepAlive`. */
  after(ms: number, fn: () => void, keepAlive?: boolean): Timer;
  every(ms: number, fn: () => void): Timer;
}

// Node fires at once for a delay over 2^31-1 ms; certificates live longer than that.
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, fn, keepAlive = false) {
    const timer = setTimeout(fn, Math.min(ms, MAX_DELAY_MS));
    if (!keepAlive) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(ms, fn) {
    const timer = setInterval(fn, Math.min(ms, MAX_DELAY_MS)).unref();
    return { cancel: () => clearInterval(timer) };
  },
};

/** `2026-01-31T12:00:00Z`, as resources have it: whole seconds. */
export const timestampOf = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Resolves after `ms`; keeps the process alive. */
export const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(ms, resolve, true);
  });
