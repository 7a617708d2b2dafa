// Whole files of mode 0600 that survive a crash and a loss of power: keys, tokens, what other commands read. Called by ca,
// api and app.
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const withFile = (path: string, flags: string, work: (handle: number) => void): void => {
  const handle = openSync(path, flags, 0o600);
  try {
    work(handle);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

/** After a failure that is reported already: what is left over is overwritten by the next try. */
const removeQuietly = (path: string): void => {
  try {
    rmSync(path, { force: true });
  } catch {}
};

/**
 * Readers see the old text or the new, never a part. `replace: false` never touches a file that is already there, but
 * throws EEXIST.
 */
export const writeDurably = (path: string, text: string, { replace }: { readonly replace: boolean }): void => {
  const draft = `${path}.new`;
  try {
    rmSync(draft, { force: true });
    withFile(draft, 'wx', (handle) => writeSync(handle, text));
    if (replace) renameSync(draft, path);
    else linkSync(draft, path);
  } finally {
    removeQuietly(draft);
  }
  withFile(dirname(path), 'r', () => {});
};
