// TLS on both sides of an Envoy: the proxy's own SVID from its agent, users' certificates over ADS.
import { create } from '@bufbuild/protobuf';
import {
  ApiConfigSource_ApiType,
  ApiVersion,
  ConfigSourceSchema,
} from '../../gen/envoy/config/core/v3/config_source_pb.js';
import {
  CertificateValidationContextSchema,
  SubjectAltNameMatcher_SanType,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { SdsSecretConfigSchema, SecretSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { StringMatcherSchema } from '../../gen/envoy/type/matcher/v3/string_pb.js';
import type { DownstreamTls, TlsSecret } from '../../model/snapshot.ts';
import type { EncodedResource } from '../form.ts';
import { ENVOY } from '../type-urls.ts';
import { configured, fromAds, type Init, resourceOf } from './message.ts';

/** Names that the agent beside each Envoy serves: the proxy's own SVID, and the roots of the mesh. */
const OWN_SECRET = 'default';
const ROOT_SECRET = 'ROOTCA';
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

/** Own SVID, and a peer whose URI name is one of `names`. */
const meshContext = (names: readonly Init<typeof StringMatcherSchema>[]) =>
  create(CommonTlsContextSchema, {
    tlsCertificateSdsSecretConfigs: [fromAgent(OWN_SECRET)],
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext: create(CertificateValidationContextSchema, {
          matchTypedSubjectAltNames: names.map((matcher) => ({ sanType: SubjectAltNameMatcher_SanType.URI, matcher })),
        }),
        validationContextSdsSecretConfig: fromAgent(ROOT_SECRET),
      },
    },
  });

export const downstreamTls = (tls: DownstreamTls, trustDomain: string) => {
  if (tls.mode === 'mesh') {
    const matcher = { matchPattern: { case: 'prefix', value: `spiffe://${trustDomain}/` } } as const;
    return configured('envoy.transport_sockets.tls', DownstreamTlsContextSchema, {
      commonTlsContext: meshContext([matcher]),
      requireClientCertificate: true,
    });
  }
  return configured('envoy.transport_sockets.tls', DownstreamTlsContextSchema, {
    commonTlsContext: {
      alpnProtocols: ['http/1.1'],
      tlsCertificateSdsSecretConfigs: tls.secrets.map((name) => ({ name, sdsConfig: fromAds() })),
    },
    requireClientCertificate: false,
  });
};

/** Mutual TLS to a peer that must prove one of `identities`; with none of them no peer is good enough. */
export const upstreamTls = (sni: string, identities: readonly string[]) => {
  const names = identities.length > 0 ? identities : ['none'];
  return configured('envoy.transport_sockets.tls', UpstreamTlsContextSchema, {
    sni,
    commonTlsContext: meshContext(names.map((value) => ({ matchPattern: { case: 'exact', value } }) as const)),
  });
};

export const encodeSecret = (secret: TlsSecret): EncodedResource =>
  resourceOf(secret.name, ENVOY.secret, SecretSchema, {
    name: secret.name,
    type: {
      case: 'tlsCertificate',
      value: {
        certificateChain: { specifier: { case: 'inlineString', value: secret.chainPem } },
        privateKey: { specifier: { case: 'inlineString', value: secret.keyPem } },
      },
    },
  });
