// How a data-plane process goes: it says that it wants no more traffic, waits until others have heard of it, and lets what is
// under way end. Used by data-plane.ts and standalone.ts.
import { type Clock, pause } from '../lib/clock.ts';
import type { Readiness } from './readiness.ts';

export interface DrainSettings {
  /** From failing readiness to closing the ports. Absent: 5 s where somebody watches readiness, else none. */
  readonly delayMs?: number | undefined;
  /** What requests under way get to end. */
  readonly timeMs?: number | undefined;
}

/** What both engines can do at their end. */
export interface Drainable {
  /** It wants traffic. False also before its first configuration. */
  isReady(): boolean | Promise<boolean>;
  /** While it is not healthy it is not ready, goes on to serve, and tells clients to go. */
  setHealthy(isHealthy: boolean): void | Promise<void>;
  /** Takes no new connections, lets requests end. */
  drain(timeoutMs: number): Promise<void>;
}

const WATCHED_DELAY_MS = 5_000;
const GATEWAY_MS = 10_000;
const SIDECAR_MS = 5_000;

export const drainTimeOf = (role: 'sidecar' | 'gateway', { timeMs }: DrainSettings): number =>
  timeMs ?? (role === 'gateway' ? GATEWAY_MS : SIDECAR_MS);

/** Fails readiness and waits until it was noticed. */
export const announceEnd = async (
  engine: Drainable,
  settings: DrainSettings,
  readiness: Readiness | undefined,
  clock: Clock,
): Promise<void> => {
  await engine.setHealthy(false);
  const delayMs = settings.delayMs ?? (readiness?.isWatched() ? WATCHED_DELAY_MS : 0);
  if (delayMs > 0) await pause(clock, delayMs);
};
