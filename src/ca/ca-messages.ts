// The messages of istio.v1.auth.IstioCertificateService (proto/istio/v1/auth/ca.proto), for both ends of the call.
import { WeftError } from '../lib/errors.ts';
import { bytesField, numberField, numberOf, optionalField, readFields, textOf } from '../lib/protobuf.ts';

export const CREATE_CERTIFICATE_PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate';

/** Larger messages are refused unread. */
export const MAX_MESSAGE_BYTES = 64 * 1024;

export interface CertificateRequest {
  readonly csrPem: string;
  /** 0: as the authority likes. */
  readonly validitySeconds: number;
}

const checkSize = (bytes: Buffer): Buffer => {
  if (bytes.length > MAX_MESSAGE_BYTES) {
    throw new WeftError('PROTOBUF_MALFORMED', `the message is larger than ${MAX_MESSAGE_BYTES} bytes`);
  }
  return bytes;
};

export const encodeCertificateRequest = (request: CertificateRequest): Buffer =>
  Buffer.concat([optionalField(1, request.csrPem), numberField(3, request.validitySeconds)]);

/** Throws PROTOBUF_MALFORMED. */
export const decodeCertificateRequest = (bytes: Buffer): CertificateRequest => {
  let csrPem = '';
  let validitySeconds = 0;
  for (const field of readFields(checkSize(bytes))) {
    if (field.number === 1) csrPem = textOf(field);
    if (field.number === 3) validitySeconds = numberOf(field);
  }
  return { csrPem, validitySeconds };
};

export const encodeCertificateResponse = (chainPem: readonly string[]): Buffer =>
  Buffer.concat(chainPem.map((pem) => bytesField(1, pem)));

/** The chain, leaf first. Throws PROTOBUF_MALFORMED. */
export const decodeCertificateResponse = (bytes: Buffer): string[] =>
  readFields(checkSize(bytes))
    .filter((field) => field.number === 1)
    .map(textOf);
