// One call to the control plane's CA: a CSR goes up, a chain comes back. Runs in the proxy's process, for svid-source.ts.
import type { CallEnd } from '../grpc/call.ts';
import { openChannel } from '../grpc/channel.ts';
import type { Clock } from '../lib/clock.ts';
import { messageOf, WeftError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import { type GrpcStatusName, grpcStatus } from '../model/grpc.ts';
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

const REFUSALS: ReadonlySet<number> = new Set(
  (['UNAUTHENTICATED', 'PERMISSION_DENIED', 'INVALID_ARGUMENT', 'UNIMPLEMENTED'] satisfies GrpcStatusName[]).map(
    grpcStatus,
  ),
);

/** SVID_REFUSED where asking again is of no use, SVID_UNAVAILABLE where it may be. */
const errorOf = (address: string, { code, details }: CallEnd): WeftError => {
  if (REFUSALS.has(code)) {
    return new WeftError('SVID_REFUSED', `the control plane refused to give a certificate: ${details}`, {
      at: address,
      hint: 'make a new join token with: weft token create',
    });
  }
  return new WeftError(
    'SVID_UNAVAILABLE',
    `no certificate from the control plane: ${details || `gRPC status ${code}`}`,
    {
      at: address,
      hint: 'is the control plane running, and is this its address and root certificate?',
    },
  );
};

/** The chain, leaf first. Throws SVID_REFUSED or SVID_UNAVAILABLE. */
export const requestCertificate = async (call: CertificateCall): Promise<string[]> => {
  const { address, serverName, rootPem, csrPem, proof, clock } = call;
  const own = 'present' in proof ? proof.present : undefined;
  const tls = { caPem: rootPem, own, serverName };
  const channel = openChannel({ address, tls, maxMessageBytes: MAX_MESSAGE_BYTES, clock });
  const request = encodeCertificateRequest({ csrPem, validitySeconds: Math.ceil(call.ttlMs / 1000) });
  const metadata = 'token' in proof ? ['authorization', `Bearer ${proof.token.reveal()}`] : [];
  const answer = await channel.ask(CREATE_CERTIFICATE_PATH, request, { metadata, timeoutMs: DEADLINE_MS });
  channel.close();
  if (answer.code !== 0 || !answer.message) throw errorOf(address, answer);
  try {
    return decodeCertificateResponse(answer.message);
  } catch (error) {
    throw errorOf(address, { ...answer, details: messageOf(error) });
  }
};
