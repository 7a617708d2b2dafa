// gateway.envoyproxy.io ClientTrafficPolicy: how a Gateway's listeners take the connections of clients.
import type { Kind, Schema } from '../kind.ts';
import { caRef, notYet, policyStatus, targetRefs } from '../policy-parts.ts';
import { flag, integer, item, list, object, patterns, text } from '../schema.ts';
import { validateClientTrafficPolicy } from './validate.ts';

const matches = (what: string): Schema =>
  list(
    `${what}; one of all names must match.`,
    object('One match.', {
      type: text('How it is compared; patterns match the whole name.', {
        enum: ['Exact', 'Prefix', 'Suffix', 'RegularExpression'],
        default: 'Exact',
      }),
      'value!': text('The name, its begin or end, or the pattern.', { minLength: 1, maxLength: 1024 }),
    }),
  );

const clientValidation = object('How client certificates are checked; clients need none when unset.', {
  optional: flag('Whether a client may come without a certificate.', { default: false }),
  caCertificateRefs: list('ConfigMaps or Secrets whose ca.crt holds the authorities.', caRef('One of them.'), {
    maxItems: 8,
  }),
  subjectAltNames: object('Names that the certificate must have.', {
    dnsNames: matches('DNS names; an exact one is matched by a wildcard in the certificate too'),
    emailAddresses: matches('Email addresses'),
    ipAddresses: matches('IP addresses'),
    uris: matches('URIs, such as SPIFFE ids'),
    otherNames: list('Other names; not supported yet.', notYet('One of them')),
  }),
  crl: object('Certificates that were revoked.', {
    'refs!': list(
      'ConfigMaps or Secrets whose ca.crl holds the lists; each authority of a chain needs one.',
      caRef('One of them.'),
      { minItems: 1, maxItems: 8 },
    ),
    onlyVerifyLeafCertificate: flag('Whether only the last certificate of a chain is looked up; not supported yet.'),
  }),
  spkiHashes: list('Hashes of public keys; not supported yet.', item()),
  certificateHashes: list('Hashes of certificates; not supported yet.', item()),
});

const version = (description: string): Schema => text(description, { enum: ['Auto', '1.0', '1.1', '1.2', '1.3'] });

const tls = object('For listeners that terminate TLS.', {
  minVersion: version('The oldest version; 1.2 when unset. Older ones are not supported.'),
  maxVersion: version('The newest version; 1.3 when unset.'),
  ciphers: list("Suites for TLS 1.2, by OpenSSL's or IANA's names.", item()),
  ecdhCurves: list('Curves, the preferred first: X25519, P-256, P-384, P-521.', item()),
  alpnProtocols: list('Protocols that are offered, the preferred first; with an empty list none is.', item()),
  clientValidation,
  signatureAlgorithms: list('Signature algorithms; not supported yet.', item()),
  session: notYet('Resumption of sessions (tickets are given to clients that need no certificate)'),
});

const headers = object('What becomes of certain headers.', {
  xForwardedClientCert: object("x-forwarded-client-cert, by which programs learn of the client's certificate.", {
    mode: text('Forwarded, appended to, set anew, or removed; Sanitize when unset.', {
      enum: ['Sanitize', 'ForwardOnly', 'AppendForward', 'SanitizeSet', 'AlwaysForwardOnly'],
    }),
    certDetailsToAdd: list(
      'What is told besides Hash and By.',
      item({ enum: ['Subject', 'Cert', 'Chain', 'DNS', 'URI'] }),
      { maxItems: 5 },
    ),
  }),
  enableEnvoyHeaders: flag('Whether X-Envoy- headers are added; not supported yet.'),
  disableRateLimitHeaders: flag('Whether X-RateLimit- headers are left out; not supported yet.'),
  withUnderscoresAction: text('Header names with underscores; not supported yet.', {
    enum: ['Allow', 'RejectRequest', 'DropHeader'],
  }),
  preserveXRequestID: flag('Whether X-Request-ID is believed; not supported yet.'),
  requestID: text('What becomes of X-Request-ID; not supported yet.', {
    enum: ['PreserveOrGenerate', 'Preserve', 'Generate', 'Disable'],
  }),
  earlyRequestHeaders: notYet('Edits before routing'),
  lateResponseHeaders: notYet('Edits of every answer'),
});

const duration = (description: string) => text(description, { pattern: patterns.duration });

const timeout = object('How long clients may take; 0s: as long as they like.', {
  tcp: object('Of connections whose bytes are passed on as they come.', {
    idleTimeout: duration('Without a byte in either direction; 1h when unset.'),
  }),
  http: object('Of HTTP.', {
    requestReceivedTimeout: duration('For the whole of a request, unless it is answered before.'),
    idleTimeout: duration('Between requests of a connection; 5m when unset.'),
    streamIdleTimeout: duration('For a request of which no byte moves in either direction.'),
  }),
});

const connection = object('Limits of connections.', {
  connectionLimit: object('Of their number, age and use.', {
    value: integer('Open at one time, at each listener; further ones are closed.', {
      format: 'int64',
      minimum: 1,
      maximum: 4_294_967_295,
    }),
    closeDelay: duration('How long further ones are held before they are closed; not supported yet.'),
    maxConnectionDuration: duration('An older connection ends with the request that it carries.'),
    maxRequestsPerConnection: integer('The answer to the last one ends the connection.', {
      format: 'int32',
      minimum: 1,
      maximum: 2_147_483_647,
    }),
    maxStreamDuration: duration('The longest life of a request; not supported yet.'),
  }),
  bufferLimit: notYet('Memory for each connection'),
  socketBufferLimit: notYet("Memory of the system's for each connection"),
  maxAcceptPerSocketEvent: integer('Connections that are accepted at once; not supported yet.', { format: 'int32' }),
});

const spec = object('What is wanted of it.', {
  ...targetRefs('Gateway', 'Gateways', 'One listener of the Gateway; all when unset.'),
  tls,
  headers,
  tcpKeepalive: notYet('TCP keep-alive'),
  enableProxyProtocol: flag(
    'Whether connections must begin with a PROXY protocol header; `proxyProtocol` is in its place.',
  ),
  proxyProtocol: object('Connections begin with a PROXY protocol header, version 1 or 2.', {
    optional: flag('Whether a connection may begin without one.'),
  }),
  clientIPDetection: notYet('How the address of the client is found'),
  path: notYet('How paths are normalized'),
  timeout,
  connection,
  http1: notYet('HTTP/1'),
  http2: notYet('HTTP/2'),
  http3: notYet('HTTP/3'),
  grpc: notYet('gRPC'),
  healthCheck: notYet('A path that answers for the health of the gateway'),
  scheme: text('The scheme that backends are told; not supported yet.', { enum: ['Preserve', 'MatchBackend'] }),
});

export const clientTrafficPolicy: Kind = {
  group: 'gateway.envoyproxy.io',
  version: 'v1alpha1',
  alsoServed: [],
  kind: 'ClientTrafficPolicy',
  plural: 'clienttrafficpolicies',
  singular: 'clienttrafficpolicy',
  shortNames: ['ctp'],
  namespaced: true,
  statusSubresource: true,
  schema: object("How a Gateway's listeners take the connections of clients.", {
    'spec!': spec,
    status: policyStatus,
  }),
  columns: [],
  validate: validateClientTrafficPolicy,
};
