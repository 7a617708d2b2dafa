// Whether the workload's program listens: a TCP connection now and then. Used by the data plane to report health.
import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from '../lib/clock.ts';
import { systemCode } from '../lib/errors.ts';

export interface ProbeOptions {
  readonly address: string;
  readonly port: number;
  readonly clock: Clock;
  /** Between checks once the program has answered. */
  readonly intervalMs?: number;
  /** Called on each change, and once with the reason when the program has not answered for a while after its start. */
  readonly onChange: (healthy: boolean, message: string) => void;
}

export interface Probe {
  /** Checks now instead of at the next interval. */
  check(): void;
  /** Somebody could not reach the program: checks now, unless it counts as unhealthy anyway. */
  suspect(): void;
  close(): void;
}

const STARTING_MS = 50;
/** A program that has not answered by then may never do so. */
const PATIENCE_MS = 5_000;
const CONNECT_TIMEOUT_MS = 1_000;
/** One failure may be a full accept queue. */
const FAILURES = 2;

class TcpProbe implements Probe {
  readonly #options: ProbeOptions;
  #healthy = false;
  #hasAnswered = false;
  #hasComplained = false;
  readonly #startedAt: number;
  #failures = 0;
  #isClosed = false;
  #timer: Timer | undefined;
  #socket: Socket | undefined;

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#startedAt = options.clock.monotonic();
    this.check();
  }

  check(): void {
    if (this.#isClosed || this.#socket) return;
    const { address: host, port, clock } = this.#options;
    this.#timer?.cancel();
    const socket = connect({ host, port });
    this.#socket = socket;
    this.#timer = clock.after(CONNECT_TIMEOUT_MS, () => settle(`${host}:${port} does not answer`));
    const settle = (failure: string | undefined): void => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#timer?.cancel();
      socket.destroy();
      this.#take(failure);
    };
    socket.on('connect', () => settle(undefined));
    socket.on('error', (error) =>
      settle(
        systemCode(error) === 'ECONNREFUSED'
          ? `nothing listens on ${host}:${port}`
          : `${host}:${port}: ${error.message}`,
      ),
    );
  }

  suspect(): void {
    if (this.#healthy) this.check();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #take(failure: string | undefined): void {
    const { clock, intervalMs = 1_000, onChange } = this.#options;
    this.#failures = failure === undefined ? 0 : this.#failures + 1;
    this.#hasAnswered ||= failure === undefined;
    const healthy = failure === undefined || (this.#healthy && this.#failures < FAILURES);
    // A first failure is looked into at once; a program that is just starting is waited for closely.
    const isUrgent = !this.#hasAnswered || (this.#healthy && this.#failures > 0 && this.#failures < FAILURES);
    const changed = healthy !== this.#healthy;
    this.#healthy = healthy;
    this.#timer = clock.after(isUrgent ? Math.min(STARTING_MS, intervalMs) : intervalMs, () => this.check());
    const isLate = !this.#hasAnswered && clock.monotonic() - this.#startedAt >= PATIENCE_MS;
    if (changed || (isLate && !this.#hasComplained)) onChange(healthy, failure ?? '');
    this.#hasComplained ||= isLate;
  }
}

/** Starts probing at once. */
export const openProbe = (options: ProbeOptions): Probe => new TcpProbe(options);
