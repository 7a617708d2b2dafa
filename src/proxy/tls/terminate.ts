// Terminates TLS for one filter chain: with the own SVID for mesh peers, or with certificates chosen by name.
// Called by listener.ts.
import { randomBytes, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { parameterOptions } from '../../filters/backend-tls/proxy.ts';
import { prepareAltNames, unwantedName } from '../../filters/backend-tls/wanted-names.ts';
import { altNamesIn, valuesOf } from '../../lib/alt-names.ts';
import { messageOf, WeftError } from '../../lib/errors.ts';
import { parseSpiffeId, type SvidSource } from '../../model/identity.ts';
import type {
  ClientValidation,
  DownstreamTls,
  TerminateTls,
  TlsSecret,
  ValidationSecret,
} from '../../model/snapshot.ts';
import type { ProxyContext } from '../context.ts';
import { ClientCertificate } from './client-certificate.ts';
import { Handshakes, type HandshakeUser, type PeerCheck } from './handshakes.ts';
import { peerIdentityOf } from './peer-identity.ts';
import { prepareCertificates } from './server-certificates.ts';

export interface Terminator {
  readonly mode: DownstreamTls['mode'];
  /** Takes a paused socket whose first bytes were pushed back; tells its user of the end of the handshake. */
  secure(socket: Socket, user: HandshakeUser, serverName: string): void;
}

export interface MeshTerminator extends Terminator {
  readonly mode: 'mesh';
  /** Offered, in order of preference. */
  readonly alpn: readonly string[];
  /** Takes the present SVID; connections that are open stay as they are. */
  renew(): void;
}

export interface ServerTerminator extends Terminator {
  readonly mode: 'terminate';
  /** Connections that are open stay as they are. Throws where it can't be used: all is as before then. */
  update(plan: ServerPlan): void;
}

/** What a chain's TLS is made of. */
export interface ServerPlan {
  readonly tls: TerminateTls;
  readonly secrets: readonly TlsSecret[];
  /** Where there is a `clientValidation`. */
  readonly authorities: ValidationSecret | undefined;
  /** What is offered where `tls` does not say. */
  readonly alpn: readonly string[];
}

// SSL_OP_NO_TICKET
const NO_TICKET = 0x4000;

const meshOptions = (source: SvidSource): TlsOptions => {
  const svid = source.current();
  // A resumed session would skip the check of the peer's certificate against the present roots.
  return { key: svid.keyPem, cert: svid.chainPem, ca: svid.bundlePem, minVersion: 'TLSv1.2', secureOptions: NO_TICKET };
};

const VERIFY_ERRORS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has ended',
  CERT_NOT_YET_VALID: 'is not valid yet',
  CERT_REVOKED: 'was revoked',
  CRL_HAS_EXPIRED: "can't be looked up: the revocation list has ended",
  UNABLE_TO_GET_CRL: "can't be looked up: its authority has no revocation list",
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is of no known authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'is of no known authority',
  UNABLE_TO_GET_ISSUER_CERT: 'is of no known authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'is of no known authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'is of no known authority',
  INVALID_PURPOSE: 'is not for clients',
};

const NO_CERTIFICATE = 'the client has no certificate';

const verifyFailure = (secured: TLSSocket): string | undefined => {
  if (secured.authorized) return undefined;
  const code = String(secured.authorizationError ?? '');
  return `the client's certificate ${VERIFY_ERRORS[code] ?? `is not valid: ${code}`}`;
};

const alpnOptions = (alpn: readonly string[]): TlsOptions => (alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {});

/** Mutual TLS: the peer must prove a SPIFFE identity of the own trust domain. */
export const meshTerminator = (context: ProxyContext, source: SvidSource, alpn: readonly string[]): MeshTerminator => {
  const check: PeerCheck = (secured) => {
    const certificate = secured.getPeerX509Certificate();
    if (!certificate) return NO_CERTIFICATE;
    const failure = verifyFailure(secured);
    if (failure !== undefined) return failure;
    const { spiffeId } = source.current();
    const own = parseSpiffeId(spiffeId);
    const identity = own && peerIdentityOf(certificate, own.trustDomain);
    if (!identity) return 'the peer has no identity of this mesh';
    return { tls: 'mutual', identity, certificate: new ClientCertificate(certificate, [spiffeId]) };
  };
  const options = { ...meshOptions(source), ...alpnOptions(alpn), requestCert: true, rejectUnauthorized: false };
  const handshakes = new Handshakes(context, options, check);
  return {
    mode: 'mesh',
    alpn,
    secure: (socket, user) => handshakes.start(socket, user),
    renew: () => handshakes.setContext(meshOptions(source)),
  };
};

const anyClient: PeerCheck = () => ({ tls: 'simple' });

const checkOf = ({ optional, acceptInvalid = false, subjectAltNames }: ClientValidation): PeerCheck => {
  const isWanted = subjectAltNames && prepareAltNames(subjectAltNames);
  return (secured) => {
    const certificate = secured.getPeerX509Certificate();
    if (!certificate) return optional ? { tls: 'simple' } : NO_CERTIFICATE;
    const failure = verifyFailure(secured);
    if (failure !== undefined && !acceptInvalid) return failure;
    const shown = new ClientCertificate(certificate, uriNames(secured.getX509Certificate()));
    if (isWanted && !isWanted(shown.names)) return unwantedName(shown.names).message;
    return { tls: failure === undefined ? 'mutual' : 'simple', certificate: shown };
  };
};

const uriNames = (own: X509Certificate | undefined): string[] => valuesOf(altNamesIn(own?.subjectAltName), 'URI');

/** One server for each set of certificates: the name asked for is known before the handshake begins. */
interface Servers {
  readonly all: readonly Handshakes[];
  for(serverName: string): Handshakes;
}

const openServers = (
  context: ProxyContext,
  { tls, secrets, authorities, alpn }: ServerPlan,
  ticketKeys: Buffer,
): Servers => {
  const { clientValidation } = tls;
  const options: TlsOptions = {
    ...parameterOptions(tls),
    ...(authorities && { ca: authorities.caPem, ...(authorities.crlPem !== undefined && { crl: authorities.crlPem }) }),
    ...alpnOptions(tls.alpn ?? alpn),
    ticketKeys,
    // A resumed session is not checked against the authorities and lists of today.
    ...(clientValidation && { requestCert: true, rejectUnauthorized: false, secureOptions: NO_TICKET }),
  };
  const check = clientValidation ? checkOf(clientValidation) : anyClient;
  const certificates = prepareCertificates(secrets);
  try {
    const all = certificates.sets.map((set) => new Handshakes(context, { ...options, ...set }, check));
    return { all, for: (serverName) => all[certificates.indexFor(serverName)]! };
  } catch (error) {
    throw new WeftError('TLS_INVALID', `the TLS settings can not be used: ${messageOf(error)}`, {
      hint: 'check the names of suites and curves, and the authorities',
    });
  }
};

const TICKET_KEY_BYTES = 48;
/** A session can be resumed for as long, also when certificates change meanwhile. */
const TICKET_KEY_LIFE_MS = 24 * 3_600_000;

/** TLS for anyone, or for clients with a certificate that passes. */
export const serverTerminator = (context: ProxyContext, first: ServerPlan): ServerTerminator => {
  let ticketKeys = randomBytes(TICKET_KEY_BYTES);
  let madeAt = context.deadlines.now();
  let plan = first;
  let servers = openServers(context, first, ticketKeys);
  return {
    mode: 'terminate',
    secure(socket, user, serverName) {
      const now = context.deadlines.now();
      if (now - madeAt > TICKET_KEY_LIFE_MS) {
        [ticketKeys, madeAt] = [randomBytes(TICKET_KEY_BYTES), now];
        for (const one of servers.all) one.setTicketKeys(ticketKeys);
      }
      servers.for(serverName).start(socket, user);
    },
    update(next) {
      if (isDeepStrictEqual(next, plan)) return;
      // Handshakes that are under way end where they began.
      servers = openServers(context, next, ticketKeys);
      plan = next;
    },
  };
};
