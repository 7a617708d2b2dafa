// TLS on both sides of an Envoy: the proxy's own SVID from its agent, users' certificates over ADS.
import { create } from '@bufbuild/protobuf';
import {
  ApiConfigSource_ApiType,
  ApiVersion,
  ConfigSourceSchema,
} from '../../gen/envoy/config/core/v3/config_source_pb.js';
import {
  CertificateValidationContextSchema,
  SubjectAltNameMatcher_SanType as SanType,
  type SubjectAltNameMatcherSchema,
  TlsParameters_TlsProtocol as TlsProtocol,
  CertificateValidationContext_TrustChainVerification as TrustChain,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { SdsSecretConfigSchema, SecretSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { StringMatcherSchema } from '../../gen/envoy/type/matcher/v3/string_pb.js';
import {
  type ClientValidation,
  type Cluster,
  type DownstreamTls,
  isTlsSecret,
  type SanMatch,
  type SimpleTls,
  type SnapshotSecret,
  type TlsParameters,
  type UpstreamTls,
} from '../../model/snapshot.ts';
import type { EncodedResource } from '../form.ts';
import { ENVOY } from '../type-urls.ts';
import { configured, fromAds, type Init, resourceOf } from './message.ts';

/** Names that the agent beside each Envoy serves: the proxy's own SVID, and the roots of the mesh. */
const OWN_SECRET = 'default';
const ROOT_SECRET = 'ROOTCA';
/** The authorities that Envoy's machine trusts. */
const SYSTEM_SECRET = 'SYSTEM';
/** The agent's cluster in Envoy's bootstrap. */
const AGENT_CLUSTER = 'sds-grpc';

const fromAgent = (name: string) =>
  create(SdsSecretConfigSchema, {
    name,
    sdsConfig: create(ConfigSourceSchema, {
      resourceApiVersion: ApiVersion.V3,
      configSourceSpecifier: {
        case: 'apiConfigSource',
        value: {
          apiType: ApiConfigSource_ApiType.GRPC,
          transportApiVersion: ApiVersion.V3,
          setNodeOnFirstMessageOnly: true,
          grpcServices: [{ targetSpecifier: { case: 'envoyGrpc', value: { clusterName: AGENT_CLUSTER } } }],
        },
      },
    }),
  });

type NameMatcher = Init<typeof SubjectAltNameMatcherSchema>;
type CommonTls = Init<typeof CommonTlsContextSchema>;

/** Peers by the roots in `source`, with one of `names`. */
const checkedBy = (
  source: ReturnType<typeof fromAgent>,
  context: Init<typeof CertificateValidationContextSchema>,
): NonNullable<CommonTls['validationContextType']> => ({
  case: 'combinedValidationContext',
  value: {
    defaultValidationContext: create(CertificateValidationContextSchema, context),
    validationContextSdsSecretConfig: source,
  },
});

/** Own SVID, and a peer whose URI name is one of `names`. */
const meshContext = (names: readonly Init<typeof StringMatcherSchema>[]) =>
  create(CommonTlsContextSchema, {
    tlsCertificateSdsSecretConfigs: [fromAgent(OWN_SECRET)],
    validationContextType: checkedBy(fromAgent(ROOT_SECRET), {
      matchTypedSubjectAltNames: names.map((matcher) => ({ sanType: SanType.URI, matcher })),
    }),
  });

const SAN_TYPES = { DNS: SanType.DNS, URI: SanType.URI, EMAIL: SanType.EMAIL, IP: SanType.IP_ADDRESS } as const;

const sanMatcher = ({ name, type, value }: SanMatch): NameMatcher => ({
  sanType: SAN_TYPES[name],
  matcher: { matchPattern: type === 'regex' ? { case: 'safeRegex', value: { regex: value } } : { case: type, value } },
});

const VERSIONS = { '1.2': TlsProtocol.TLSv1_2, '1.3': TlsProtocol.TLSv1_3 } as const;

const parametersOf = ({ minVersion = '1.2', maxVersion = '1.3', ciphers, curves }: TlsParameters): CommonTls => ({
  tlsParams: {
    tlsMinimumProtocolVersion: VERSIONS[minVersion],
    tlsMaximumProtocolVersion: VERSIONS[maxVersion],
    cipherSuites: [...(ciphers ?? [])],
    ecdhCurves: [...(curves ?? [])],
  },
});

const named = (name: string) => create(SdsSecretConfigSchema, { name, sdsConfig: fromAds() });

const clientCheck = ({ secret, acceptInvalid, subjectAltNames = [] }: ClientValidation): CommonTls => ({
  validationContextType: checkedBy(named(secret), {
    trustChainVerification: acceptInvalid ? TrustChain.ACCEPT_UNTRUSTED : TrustChain.VERIFY_TRUST_CHAIN,
    matchTypedSubjectAltNames: subjectAltNames.map(sanMatcher),
  }),
});

/** `alpn`: what is offered where the chain does not say. */
export const downstreamTls = (tls: DownstreamTls, trustDomain: string, alpn: readonly string[]) => {
  if (tls.mode === 'mesh') {
    const matcher = { matchPattern: { case: 'prefix', value: `spiffe://${trustDomain}/` } } as const;
    return configured('envoy.transport_sockets.tls', DownstreamTlsContextSchema, {
      commonTlsContext: { ...meshContext([matcher]), alpnProtocols: [...alpn] },
      requireClientCertificate: true,
    });
  }
  const { clientValidation } = tls;
  return configured('envoy.transport_sockets.tls', DownstreamTlsContextSchema, {
    commonTlsContext: {
      ...parametersOf(tls),
      alpnProtocols: [...(tls.alpn ?? alpn)],
      tlsCertificateSdsSecretConfigs: tls.secrets.map(named),
      ...(clientValidation && clientCheck(clientValidation)),
    },
    requireClientCertificate: clientValidation ? !clientValidation.optional : false,
    // A resumed session is not checked against the authorities and lists of today.
    ...(clientValidation && {
      sessionTicketKeysType: { case: 'disableStatelessSessionResumption', value: true } as const,
      disableStatefulSessionResumption: true,
    }),
  });
};

/** Mutual TLS to a peer that must prove one of `identities`; with none of them no peer is good enough. */
const meshUpstream = (sni: string, identities: readonly string[]) => {
  const names = identities.length > 0 ? identities : ['none'];
  return configured('envoy.transport_sockets.tls', UpstreamTlsContextSchema, {
    sni,
    commonTlsContext: meshContext(names.map((value) => ({ matchPattern: { case: 'exact', value } }) as const)),
  });
};

/** What is offered where a cluster's TLS does not say. */
const UPSTREAM_ALPN: Partial<Record<Cluster['protocol'], string>> = { http1: 'http/1.1', http2: 'h2' };

const simpleUpstream = (tls: SimpleTls, protocol: Cluster['protocol']) => {
  const own = UPSTREAM_ALPN[protocol];
  const { sni, ca, certificate, alpn = own ? [own] : [] } = tls;
  const names = tls.subjectAltNames ?? [{ name: 'DNS', type: 'exact', value: sni } as const];
  return configured('envoy.transport_sockets.tls', UpstreamTlsContextSchema, {
    sni,
    commonTlsContext: {
      ...parametersOf(tls),
      alpnProtocols: [...alpn],
      ...(certificate !== undefined && { tlsCertificateSdsSecretConfigs: [named(certificate)] }),
      validationContextType: checkedBy(ca === undefined ? fromAgent(SYSTEM_SECRET) : named(ca), {
        matchTypedSubjectAltNames: names.map(sanMatcher),
      }),
    },
  });
};

export const upstreamTls = (tls: Exclude<UpstreamTls, { mode: 'none' }>, protocol: Cluster['protocol']) =>
  tls.mode === 'mesh' ? meshUpstream(tls.sni, tls.identities) : simpleUpstream(tls, protocol);

const inline = (text: string) => ({ specifier: { case: 'inlineString', value: text } }) as const;

export const encodeSecret = (secret: SnapshotSecret): EncodedResource =>
  resourceOf(secret.name, ENVOY.secret, SecretSchema, {
    name: secret.name,
    type: isTlsSecret(secret)
      ? {
          case: 'tlsCertificate',
          value: { certificateChain: inline(secret.chainPem), privateKey: inline(secret.keyPem) },
        }
      : {
          case: 'validationContext',
          value: {
            trustedCa: inline(secret.caPem),
            ...(secret.crlPem !== undefined && { crl: inline(secret.crlPem) }),
          },
        },
  });
