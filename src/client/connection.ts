// Where the API is and how to prove who asks. Made by kubeconfig.ts or by hand; used by transport.ts.
import type { Secret } from '../lib/secret.ts';

export interface Connection {
  /** `https://host:port`, or `http://` on loopback. */
  readonly server: string;
  /** Trusted roots; absent: the system's. */
  readonly caPem?: string;
  readonly token?: Secret;
  /** The namespace to use when a command names none. */
  readonly namespace?: string;
  /** The file or flag it was read from, for messages. */
  readonly origin?: string;
}
