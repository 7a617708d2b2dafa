// One line that rewrites itself, for work that takes over a second on a screen. Used by apply and delete.
import type { Clock } from '../lib/clock.ts';
import type { Terminal } from './terminal.ts';

export interface Progress {
  /** Says how far it is; shown only once the work has taken a second. */
  update(text: string): void;
  /** Takes the line away, before anything else is printed. */
  clear(): void;
}

const PATIENCE_MS = 1000;
const REDRAW_MS = 100;

export const openProgress = (terminal: Pick<Terminal, 'isErrorScreen' | 'writeNote'>, clock: Clock): Progress => {
  const began = clock.monotonic();
  let drawnAt = Number.NEGATIVE_INFINITY;
  let isDrawn = false;
  return {
    update(text) {
      const now = clock.monotonic();
      if (!terminal.isErrorScreen || now - began < PATIENCE_MS || now - drawnAt < REDRAW_MS) return;
      terminal.writeNote(`\r\u001b[K${text}`);
      drawnAt = now;
      isDrawn = true;
    },
    clear() {
      if (isDrawn) terminal.writeNote('\r\u001b[K');
      isDrawn = false;
      drawnAt = Number.NEGATIVE_INFINITY;
    },
  };
};
