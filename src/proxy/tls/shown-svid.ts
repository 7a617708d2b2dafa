// What may be shown of a proxy's SVID. Called by proxy.ts and workers/group.ts.
import type { Svid, SvidSource } from '../../model/identity.ts';

/** Before the first certificate came there is none to show. */
export const withoutKey = (source: SvidSource | undefined): Omit<Svid, 'keyPem'> | undefined => {
  if (!source) return undefined;
  try {
    const { keyPem: _, ...shown } = source.current();
    return shown;
  } catch {
    return undefined;
  }
};
