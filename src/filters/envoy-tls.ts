// TLS settings, names and secrets in Envoy's terms. Used by backend-tls, and by xds/envoy-form for the mesh and for clients.
import { create } from '@bufbuild/protobuf';
import {
  ApiConfigSource_ApiType,
  ApiVersion,
  ConfigSourceSchema,
} from '../gen/envoy/config/core/v3/config_source_pb.js';
import {
  CertificateValidationContextSchema,
  SubjectAltNameMatcher_SanType as SanType,
  type SubjectAltNameMatcherSchema,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { SdsSecretConfigSchema } from '../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { CommonTlsContextSchema } from '../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { SanMatch, TlsParameters } from '../model/snapshot.ts';
import { fromAds, type Init } from './envoy-message.ts';

/** The agent's cluster in Envoy's bootstrap. */
const AGENT_CLUSTER = 'sds-grpc';

/** A secret that the agent beside each Envoy serves. */
export const fromAgent = (name: string) =>
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
export type CommonTls = Init<typeof CommonTlsContextSchema>;

/** Peers by the roots in `source`, with one of `names`. */
export const checkedBy = (
  source: ReturnType<typeof fromAgent>,
  context: Init<typeof CertificateValidationContextSchema>,
): NonNullable<CommonTls['validationContextType']> => ({
  case: 'combinedValidationContext',
  value: {
    defaultValidationContext: create(CertificateValidationContextSchema, context),
    validationContextSdsSecretConfig: source,
  },
});

const SAN_TYPES = { DNS: SanType.DNS, URI: SanType.URI, EMAIL: SanType.EMAIL, IP: SanType.IP_ADDRESS } as const;

export const sanMatcher = ({ name, type, value }: SanMatch): NameMatcher => ({
  sanType: SAN_TYPES[name],
  matcher: { matchPattern: type === 'regex' ? { case: 'safeRegex', value: { regex: value } } : { case: type, value } },
});

const VERSIONS = { '1.2': TlsProtocol.TLSv1_2, '1.3': TlsProtocol.TLSv1_3 } as const;

export const parametersOf = ({
  minVersion = '1.2',
  maxVersion = '1.3',
  ciphers,
  curves,
}: TlsParameters): CommonTls => ({
  tlsParams: {
    tlsMinimumProtocolVersion: VERSIONS[minVersion],
    tlsMaximumProtocolVersion: VERSIONS[maxVersion],
    cipherSuites: [...(ciphers ?? [])],
    ecdhCurves: [...(curves ?? [])],
  },
});

/** A secret that the control plane sends. */
export const named = (name: string) => create(SdsSecretConfigSchema, { name, sdsConfig: fromAds() });
