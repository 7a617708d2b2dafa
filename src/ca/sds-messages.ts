// The few discovery and secret messages that SDS needs, by hand, so that the agent loads no Envoy types. Field numbers:
// envoy/service/discovery/v3/discovery.proto, envoy/extensions/transport_sockets/tls/v3/{secret,common}.proto.
import * as tls from 'node:tls';
import { bytesField, bytesOf, readFields, textOf } from '../lib/protobuf.ts';
import type { Svid } from '../model/identity.ts';

const SECRET_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** The names that Weft's Envoy configuration asks for. */
export const SVID_SECRET = 'default';
export const BUNDLE_SECRET = 'ROOTCA';
export const SYSTEM_SECRET = 'SYSTEM';

export interface SecretRequest {
  /** State of the world: all names wanted. Incremental: the names added. */
  readonly names: readonly string[];
  /** Incremental: the names no longer wanted. */
  readonly dropped: readonly string[];
  /** Of the response that this acknowledges or refuses; empty for a first request. */
  readonly nonce: string;
  /** Why the response was refused. */
  readonly error?: string;
}

export interface NamedSecret {
  readonly name: string;
  readonly bytes: Buffer;
}

interface RequestFields {
  readonly names: number;
  readonly dropped?: number;
  readonly nonce: number;
  readonly error: number;
}

const decodeRequest =
  (numbers: RequestFields) =>
  (bytes: Buffer): SecretRequest => {
    const names: string[] = [];
    const dropped: string[] = [];
    let nonce = '';
    let error: string | undefined;
    for (const field of readFields(bytes)) {
      if (field.number === numbers.names) names.push(textOf(field));
      else if (field.number === numbers.dropped) dropped.push(textOf(field));
      else if (field.number === numbers.nonce) nonce = textOf(field);
      else if (field.number === numbers.error) {
        const text = readFields(bytesOf(field)).find((part) => part.number === 2);
        error = text ? textOf(text) : 'no reason given';
      }
    }
    return { names, dropped, nonce, ...(error === undefined ? {} : { error }) };
  };

/** envoy.service.discovery.v3.DiscoveryRequest. Throws PROTOBUF_MALFORMED. */
export const decodeStateRequest = decodeRequest({ names: 3, nonce: 5, error: 6 });

/** envoy.service.discovery.v3.DeltaDiscoveryRequest. Throws PROTOBUF_MALFORMED. */
export const decodeDeltaRequest = decodeRequest({ names: 3, dropped: 4, nonce: 6, error: 7 });

const inlineSource = (text: string): Buffer => bytesField(2, text);

/** The authorities that this machine trusts; where it has none, or the runtime can't tell, those of the runtime. */
const systemRoots = (): string => {
  const roots = tls.getCACertificates?.('system') ?? [];
  return (roots.length > 0 ? roots : tls.rootCertificates).join('\n');
};

/** Read when it is first asked for: most proxies never need it. */
export const systemSecret = (): NamedSecret => {
  const validation = bytesField(1, inlineSource(systemRoots()));
  return { name: SYSTEM_SECRET, bytes: Buffer.concat([bytesField(1, SYSTEM_SECRET), bytesField(4, validation)]) };
};

/** The secrets of an SVID by name: key and chain, and the roots that peers are checked against. */
export const secretsOf = (svid: Svid): NamedSecret[] => {
  const certificate = Buffer.concat([
    bytesField(1, inlineSource(svid.chainPem)),
    bytesField(2, inlineSource(svid.keyPem)),
  ]);
  const validation = bytesField(1, inlineSource(svid.bundlePem));
  return [
    { name: SVID_SECRET, bytes: Buffer.concat([bytesField(1, SVID_SECRET), bytesField(2, certificate)]) },
    { name: BUNDLE_SECRET, bytes: Buffer.concat([bytesField(1, BUNDLE_SECRET), bytesField(4, validation)]) },
  ];
};

const anyOf = (secret: NamedSecret): Buffer => Buffer.concat([bytesField(1, SECRET_TYPE), bytesField(2, secret.bytes)]);

/** envoy.service.discovery.v3.DiscoveryResponse. */
export const encodeStateResponse = (secrets: readonly NamedSecret[], version: string): Buffer =>
  Buffer.concat([
    bytesField(1, version),
    ...secrets.map((secret) => bytesField(2, anyOf(secret))),
    bytesField(4, SECRET_TYPE),
    bytesField(5, version),
  ]);

/** envoy.service.discovery.v3.DeltaDiscoveryResponse. */
export const encodeDeltaResponse = (secrets: readonly NamedSecret[], version: string): Buffer =>
  Buffer.concat([
    bytesField(1, version),
    ...secrets.map((secret) =>
      bytesField(2, Buffer.concat([bytesField(1, version), bytesField(2, anyOf(secret)), bytesField(3, secret.name)])),
    ),
    bytesField(4, SECRET_TYPE),
    bytesField(5, version),
  ]);
