// TLS on both sides of an Envoy: the proxy's own SVID from its agent, users' certificates over ADS.
import { create } from '@bufbuild/protobuf';
import { type CommonTls, checkedBy, fromAgent, named, parametersOf, sanMatcher } from '../../filters/envoy-tls.ts';
import {
  SubjectAltNameMatcher_SanType as SanType,
  CertificateValidationContext_TrustChainVerification as TrustChain,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { SecretSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { StringMatcherSchema } from '../../gen/envoy/type/matcher/v3/string_pb.js';
import { type ClientValidation, type DownstreamTls, isTlsSecret, type SnapshotSecret } from '../../model/snapshot.ts';
import type { EncodedResource } from '../form.ts';
import { ENVOY } from '../type-urls.ts';
import { configured, type Init, resourceOf } from './message.ts';

/** Names that the agent beside each Envoy serves: the proxy's own SVID, and the roots of the mesh. */
const OWN_SECRET = 'default';
const ROOT_SECRET = 'ROOTCA';

/** Own SVID, and a peer whose URI name is one of `names`. */
const meshContext = (names: readonly Init<typeof StringMatcherSchema>[]) =>
  create(CommonTlsContextSchema, {
    tlsCertificateSdsSecretConfigs: [fromAgent(OWN_SECRET)],
    validationContextType: checkedBy(fromAgent(ROOT_SECRET), {
      matchTypedSubjectAltNames: names.map((matcher) => ({ sanType: SanType.URI, matcher })),
    }),
  });

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
export const meshUpstream = (sni: string, identities: readonly string[]) => {
  const names = identities.length > 0 ? identities : ['none'];
  return configured('envoy.transport_sockets.tls', UpstreamTlsContextSchema, {
    sni,
    commonTlsContext: meshContext(names.map((value) => ({ matchPattern: { case: 'exact', value } }) as const)),
  });
};

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
