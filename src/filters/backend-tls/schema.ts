// TLS to a server with a certificate of an ordinary authority, as a cluster has it.
import type { SanMatch, TlsParameters } from '../../model/snapshot.ts';

declare module '../../model/snapshot.ts' {
  interface UpstreamTlsModes {
    readonly simple: SimpleTls;
  }
}

export interface SimpleTls extends TlsParameters {
  readonly mode: 'simple';
  readonly sni: string;
  /** Name of a ValidationSecret; absent: the roots of the proxy's system. */
  readonly ca?: string;
  /** One must match; absent: the certificate must be for `sni`. */
  readonly subjectAltNames?: readonly SanMatch[];
  /** Name of the TlsSecret that is shown to the server. */
  readonly certificate?: string;
}
