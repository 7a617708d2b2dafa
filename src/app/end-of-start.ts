// What a proxy does once it serves, so that one without traffic stays small. Called by data-plane.ts and standalone.ts, before
// they say that they are ready.
import { flushCompileCache } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * With which a proxy is started; bin/weft has the same. A small young generation keeps a start 70 MiB smaller. What runs once is not
 * worth V8's optimizing compilers, whose own code alone is 9 MiB in memory (2026-11-21); `endStart` gives them back.
 */
export const START_FLAGS = ['--max-semi-space-size=8', '--no-opt', '--no-maglev'];

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
export const endStart = (): void => {
  try {
    setFlagsFromString('--opt');
    setFlagsFromString('--maglev');
    giveBackMemory();
  } catch {
    // Another engine than V8, or a V8 that calls it otherwise: then it does as it sees fit.
  }
};
