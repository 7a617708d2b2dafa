// One call to the control plane's CA: a CSR goes up, a chain comes back. Runs in the proxy's process, for svid-source.ts.
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { openChannel } from '../grpc/channel.ts';
import type { Clock } from '../lib/clock.ts';
import { WeftError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import type { Svid } from '../model/identity.ts';
import {
  CREATE_CERTIFICATE_PATH,
  decodeCertificateResponse,
  encodeCertificateRequest,
  MAX_MESSAGE_BYTES,
} from './ca-messages.ts';

export interface CertificateCall {
  /** `host:port` of the control plane. */
  readonly address: string;
  /** The name that its certificate must carry; absent: the host of the address. */
  readonly serverName?: string;
  readonly rootPem: string;
  readonly csrPem: string;
  /** 0: as the authority likes. */
  readonly ttlMs: number;
  /** What authorizes the call. */
  readonly proof: { readonly token: Secret } | { readonly present: Svid };
  readonly clock: Clock;
}

const DEADLINE_MS = 10_000;

const REFUSALS: ReadonlySet<number> = new Set([
  status.UNAUTHENTICATED,
  status.PERMISSION_DENIED,
  status.INVALID_ARGUMENT,
  status.UNIMPLEMENTED,
]);

/** What gRPC says of a connection that fails is wrapped in words about itself. */
const plainDetails = (details: string): string =>
  /Last error: (?:Error: )?(.+?)\. Resolution note:/s.exec(details)?.[1] ?? details;

/** SVID_REFUSED where asking again is of no use, SVID_UNAVAILABLE where it may be. */
const errorOf = (address: string, error: ServiceError): WeftError => {
  if (REFUSALS.has(error.code)) {
    return new WeftError('SVID_REFUSED', `the control plane refused to give a certificate: ${error.details}`, {
      at: address,
      hint: 'make a new join token with: weft token create',
      cause: error,
    });
  }
  return new WeftError('SVID_UNAVAILABLE', `no certificate from the control plane: ${plainDetails(error.details)}`, {
    at: address,
    hint: 'is the control plane running, and is this its address and root certificate?',
    cause: error,
  });
};

/** The chain, leaf first. Throws SVID_REFUSED or SVID_UNAVAILABLE. */
export const requestCertificate = (call: CertificateCall): Promise<string[]> => {
  const { address, serverName, rootPem, csrPem, proof, clock } = call;
  const own = 'present' in proof ? proof.present : undefined;
  const client = openChannel(address, { caPem: rootPem, own, serverName }, MAX_MESSAGE_BYTES);
  const metadata = new Metadata();
  if ('token' in proof) metadata.set('authorization', `Bearer ${proof.token.reveal()}`);
  return new Promise<string[]>((resolve, reject) => {
    client.makeUnaryRequest(
      CREATE_CERTIFICATE_PATH,
      encodeCertificateRequest,
      decodeCertificateResponse,
      { csrPem, validitySeconds: Math.ceil(call.ttlMs / 1000) },
      metadata,
      { deadline: clock.now() + DEADLINE_MS },
      (error, chain) => (error ? reject(errorOf(address, error)) : resolve(chain ?? [])),
    );
  }).finally(() => client.close());
};
