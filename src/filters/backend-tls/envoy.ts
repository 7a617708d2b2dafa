// TLS to servers with certificates of ordinary authorities in Envoy's terms. Named by registry.ts.
import { UpstreamTlsContextSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { Cluster } from '../../model/snapshot.ts';
import type { EnvoySetting } from '../envoy-filter.ts';
import { configured } from '../envoy-message.ts';
import { checkedBy, fromAgent, named, parametersOf, sanMatcher } from '../envoy-tls.ts';
import type { SimpleTls } from './schema.ts';

/** Of the agent: the authorities that Envoy's machine trusts. */
const SYSTEM_SECRET = 'SYSTEM';

/** What is offered where a cluster's TLS does not say. */
const UPSTREAM_ALPN: Partial<Record<Cluster['protocol'], string>> = { http1: 'http/1.1', http2: 'h2' };

const contextOf = (tls: SimpleTls, protocol: Cluster['protocol']) => {
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

export const envoySetting: EnvoySetting = {
  transportSocket: ({ tls, protocol }) => (tls.mode === 'simple' ? contextOf(tls, protocol) : undefined),
};
