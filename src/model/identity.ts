// SPIFFE identities of workloads, and the material that proves them.

/** Who a workload is: `spiffe://<trustDomain>/ns/<namespace>/sa/<serviceAccount>`. */
export interface Identity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

export const formatSpiffeId = (id: Identity): string =>
  `spiffe://${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;

const SPIFFE_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})\/ns\/([a-z0-9-]{1,63})\/sa\/([a-z0-9.-]{1,253})$/;

/** The identity in a SPIFFE id, or undefined for anything that is not exactly of that form. */
export const parseSpiffeId = (text: string): Identity | undefined => {
  const match = SPIFFE_ID.exec(text);
  return match ? { trustDomain: match[1]!, namespace: match[2]!, serviceAccount: match[3]! } : undefined;
};

/** An X.509 SVID with its key; the key was made in this process and never leaves it but to its own Envoy. */
export interface Svid {
  readonly spiffeId: string;
  /** PKCS #8 PEM. */
  readonly keyPem: string;
  /** Leaf first, then intermediates; PEM. */
  readonly chainPem: string;
  /** Trusted roots, PEM, one or more. */
  readonly bundlePem: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Where a proxy has its SVID from; renewed behind this interface. */
export interface SvidSource {
  current(): Svid;
  /** Calls `listener` on each renewal; returns how to stop. */
  watch(listener: (svid: Svid) => void): () => void;
}
