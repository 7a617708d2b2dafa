// What a proxy and a control plane do once they serve, so that they stay small. Called by data-plane.ts, standalone.ts and
// control-plane.ts, before they say that they are ready.
import { flushCompileCache } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * With which a command is started; bin/weft has the same. A small young generation keeps a start of a proxy 70 MiB smaller,
 * and a control plane with 5,000 routes 120 MiB. What runs once in a proxy is not worth V8's optimizing compilers, whose own
 * code alone is 9 MiB in memory; `endStart` gives them back (2026-11-21).
 */
const START_FLAGS: Readonly<Record<string, readonly string[]>> = {
  proxy: ['--max-semi-space-size=8', '--no-opt', '--no-maglev'],
  control: ['--max-semi-space-size=8'],
};

export const startFlags = (command: string | undefined): readonly string[] => START_FLAGS[command ?? ''] ?? [];

/**
 * At rest, what edits have left is collected once, not again and again. A control plane's heap is collected when it has grown
 * by 40%, where V8 would let it double and more: with 5,000 routes and edits it takes 225 in place of 290 MiB. Requests of a
 * proxy would wait for that (2026-11-21).
 */
const SERVING_FLAGS: Readonly<Record<'proxy' | 'control', readonly string[]>> = {
  proxy: ['--opt', '--maglev', '--memory-reducer-gc-count=1'],
  control: ['--memory-reducer-gc-count=1', '--heap-growing-percent=40'],
};

type Collect = (how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/** Reading and compiling a large configuration leaves a heap of several times what stays, which V8 keeps until it needs it. */
const giveBackMemory = (): void => {
  flushCompileCache();
  setFlagsFromString('--expose-gc');
  const collect: Collect = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
};

/** Takes 30 ms of a small heap, and 200 ms with 5,000 routes (2026-11-21); never throws. */
export const endStart = (command: keyof typeof SERVING_FLAGS): void => {
  try {
    for (const flag of SERVING_FLAGS[command]) setFlagsFromString(flag);
    giveBackMemory();
  } catch {
    // Another engine than V8, or a V8 that calls it otherwise: then it does as it sees fit.
  }
};
