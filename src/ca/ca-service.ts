// The gRPC service that signs CSRs, for a server that app opens: authorized by a join token or the present certificate.

import { type ServerUnaryCall, type ServiceDefinition, type sendUnaryData, status } from '@grpc/grpc-js';
import { bytesMethod, type GrpcService, peerOf } from '../grpc/service.ts';
import type { Clock } from '../lib/clock.ts';
import { isWeftError, messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { formatSpiffeId, type Identity, parseSpiffeId } from '../model/identity.ts';
import type { Authority } from './authority.ts';
import { CREATE_CERTIFICATE_PATH, decodeCertificateRequest, encodeCertificateResponse } from './ca-messages.ts';
import { certificatesOf } from './pem.ts';
import { openRateLimit } from './rate-limit.ts';

/** Who may have a certificate. Both throw a WeftError whose message may be shown to the caller. */
export interface JoinVerifier {
  /** Whom a join token is for. */
  verifyJoin(token: string): Promise<{ readonly namespace: string; readonly serviceAccount: string }>;
  /** Whether an identity that was proven by its certificate may have another. */
  verifyRenewal(identity: Identity): Promise<void>;
}

export interface CaServiceOptions {
  readonly authority: Authority;
  readonly joins: JoinVerifier;
  readonly clock: Clock;
  readonly log: Log;
}

const definition: ServiceDefinition = {
  createCertificate: bytesMethod(CREATE_CERTIFICATE_PATH, { request: false, response: false }),
};

class CallRefused extends Error {
  readonly status: number;

  constructor(code: number, message: string) {
    super(message);
    this.status = code;
  }
}

/** No fault of the caller's: worth another try. */
const isOurs = (error: unknown): boolean =>
  isWeftError(error) && /^(CA_UNWRITABLE|CA_EXPIRED|STORE_[A-Z]+)$/.test(error.code);

const MAX_TOKEN_BYTES = 8 * 1024;

const bearerOf = (call: ServerUnaryCall<Buffer, Buffer>): string | undefined => {
  const [value] = call.metadata.get('authorization');
  if (value === undefined) return undefined;
  const match = /^Bearer +([\w.~+/=-]+)$/i.exec(String(value));
  if (!match || match[1]!.length > MAX_TOKEN_BYTES) {
    throw new CallRefused(status.UNAUTHENTICATED, 'the authorization metadata is not "Bearer <join token>"');
  }
  return match[1];
};

const addressOf = (call: ServerUnaryCall<Buffer, Buffer>): string => call.getPeer().replace(/:\d+$/, '');

class CertificateService {
  readonly #options: CaServiceOptions;
  readonly #rootPems: readonly string[];
  readonly #signings;
  readonly #failures;

  constructor(options: CaServiceOptions) {
    this.#options = options;
    this.#rootPems = certificatesOf(options.authority.bundlePem, 'the trust bundle');
    // All replicas of a service account may start at once; after that each renews a few times a day.
    this.#signings = openRateLimit({ burst: 200, perSecond: 10, clock: options.clock });
    this.#failures = openRateLimit({ burst: 30, perSecond: 1, clock: options.clock });
  }

  async create(call: ServerUnaryCall<Buffer, Buffer>): Promise<Buffer> {
    const { authority, log } = this.#options;
    const peer = this.#peerOf(call);
    // Who has a certificate is let through: on one machine a single broken program must not lock out the others.
    if (!peer && !this.#failures.has(addressOf(call))) {
      throw new CallRefused(status.RESOURCE_EXHAUSTED, 'too many refused requests from this address; try again later');
    }
    const spiffeId = await this.#callerOf(call, peer);
    if (!this.#signings.take(spiffeId)) {
      throw new CallRefused(status.RESOURCE_EXHAUSTED, `too many certificate requests of ${spiffeId}; try again later`);
    }
    const request = decodeCertificateRequest(call.request);
    const signed = authority.sign(request.csrPem, { spiffeId, ttlMs: request.validitySeconds * 1000 });
    log.debug('signed', { spiffeId, until: new Date(signed.notAfter).toISOString() });
    // Root last, as Istio's clients expect it.
    return encodeCertificateResponse([...signed.chainPem, ...this.#rootPems]);
  }

  /** Turns what went wrong into the answer; what is our own fault shows no details. */
  refusalOf(error: unknown, call: ServerUnaryCall<Buffer, Buffer>): { code: number; details: string } {
    const { log } = this.#options;
    if (isOurs(error)) {
      log.error('could not sign', { reason: messageOf(error) });
      return { code: status.UNAVAILABLE, details: messageOf(error) };
    }
    if (!(error instanceof CallRefused) && !isWeftError(error)) {
      log.error('could not sign', { reason: messageOf(error) });
      return { code: status.INTERNAL, details: 'the certificate could not be signed; the control plane logs why' };
    }
    this.#failures.take(addressOf(call));
    log.warn('refused a certificate request', { peer: addressOf(call), reason: error.message });
    return {
      code: error instanceof CallRefused ? error.status : status.INVALID_ARGUMENT,
      details: error.message,
    };
  }

  /** The identity that the caller has proven: by its token, else by its certificate. */
  async #callerOf(call: ServerUnaryCall<Buffer, Buffer>, peer: Identity | undefined): Promise<string> {
    const token = bearerOf(call);
    const present = peer && formatSpiffeId(peer);
    if (token === undefined) {
      if (peer && present) {
        await this.#refusing(status.PERMISSION_DENIED, this.#options.joins.verifyRenewal(peer));
        return present;
      }
      throw new CallRefused(
        status.UNAUTHENTICATED,
        'neither a join token nor a valid certificate of this mesh was given',
      );
    }
    const spiffeId = await this.#verifyToken(token);
    if (present !== undefined && present !== spiffeId) {
      throw new CallRefused(
        status.PERMISSION_DENIED,
        `the join token is for ${spiffeId}, the certificate for ${present}`,
      );
    }
    return spiffeId;
  }

  /** The identity of a certificate that still holds: a connection may outlive the certificate it was opened with. */
  #peerOf(call: ServerUnaryCall<Buffer, Buffer>): Identity | undefined {
    const { authority, clock } = this.#options;
    const peer = peerOf(call);
    const end = Date.parse(call.getAuthContext().sslPeerCertificate?.valid_to ?? '');
    if (peer === undefined || !(end > clock.now())) return undefined;
    const identity = parseSpiffeId(peer);
    return identity?.trustDomain === authority.trustDomain ? identity : undefined;
  }

  async #verifyToken(token: string): Promise<string> {
    const { authority, joins } = this.#options;
    const account = await this.#refusing(status.UNAUTHENTICATED, joins.verifyJoin(token));
    const spiffeId = formatSpiffeId({ trustDomain: authority.trustDomain, ...account });
    if (parseSpiffeId(spiffeId)) return spiffeId;
    throw new CallRefused(status.UNAUTHENTICATED, 'the join token names no usable service account');
  }

  /** What the verifier says against the caller is the answer. */
  async #refusing<T>(code: status, verdict: Promise<T>): Promise<T> {
    try {
      return await verdict;
    } catch (error) {
      if (!isWeftError(error) || isOurs(error)) throw error;
      throw new CallRefused(code, error.message);
    }
  }
}

/** The service for `grpc.Server.addService`. */
export const caService = (options: CaServiceOptions): GrpcService => {
  const service = new CertificateService(options);
  const createCertificate = (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void => {
    service.create(call).then(
      (response) => answer(null, response),
      (error: unknown) => answer(service.refusalOf(error, call)),
    );
  };
  return { definition, implementation: { createCertificate } };
};
