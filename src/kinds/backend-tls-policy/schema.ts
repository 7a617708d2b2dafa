// gateway.networking.k8s.io BackendTLSPolicy: TLS from gateways to the backends of a Service.
import type { Kind, Rule } from '../kind.ts';
import { type PolicyTarget, policyStatus, targetFields } from '../policy-parts.ts';
import { oneWayToEach } from '../route-parts.ts';
import { groupField, item, kindField, list, map, nameField, object, patterns, text } from '../schema.ts';

export interface BackendTlsPolicySpec {
  readonly targetRefs: readonly PolicyTarget[];
  readonly validation: {
    readonly caCertificateRefs?: readonly { readonly group: string; readonly kind: string; readonly name: string }[];
    /** `System`, or a name of an implementation with its domain. */
    readonly wellKnownCACertificates?: string;
    readonly hostname: string;
    readonly subjectAltNames?: readonly {
      readonly type: 'Hostname' | 'URI';
      readonly hostname?: string;
      readonly uri?: string;
    }[];
  };
  readonly options?: Readonly<Record<string, string>>;
}

const URI = '^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\\?([^#]*))?(#(.*))?';

const WELL_KNOWN = `^(System|(${patterns.subdomain.slice(1, -1)}/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$`;

type Validation = BackendTlsPolicySpec['validation'];

const oneAuthority: Rule<Validation> = ({ caCertificateRefs, wellKnownCACertificates }, refuse) => {
  if ((caCertificateRefs === undefined) === (wellKnownCACertificates === undefined)) {
    refuse('', 'must have either caCertificateRefs or wellKnownCACertificates');
  }
};

const nameOfType: Rule<NonNullable<Validation['subjectAltNames']>[number]> = ({ type, hostname, uri }, refuse) => {
  const [field, wanted, other] = type === 'Hostname' ? ['hostname', hostname, uri] : ['uri', uri, hostname];
  if (!wanted) refuse(`.${field}`, `is required for type ${type}`);
  if (other) refuse('', `only ${field} can be set for type ${type}`);
};

const validation = object(
  'How the certificates of backends are checked.',
  {
    caCertificateRefs: list(
      'ConfigMaps whose ca.crt holds the authorities.',
      object('A ConfigMap, or a Secret, of the same namespace.', {
        'group!': groupField(),
        'kind!': kindField(),
        'name!': nameField(),
      }),
      { minItems: 1, maxItems: 8 },
    ),
    wellKnownCACertificates: text('System: the authorities that the machine of the gateway trusts.', {
      pattern: WELL_KNOWN,
      minLength: 1,
      maxLength: 253,
    }),
    'hostname!': text('The server name that is asked for, and that the certificate must be for.', {
      pattern: patterns.subdomain,
      minLength: 1,
      maxLength: 253,
    }),
    subjectAltNames: list(
      'Names of which the certificate must have one, in place of the hostname.',
      object(
        'One name.',
        {
          'type!': text('What it is.', { enum: ['Hostname', 'URI'] }),
          hostname: text('The host name.', { pattern: patterns.hostname, minLength: 1, maxLength: 253 }),
          uri: text('The URI, such as a SPIFFE id.', { pattern: URI, minLength: 1, maxLength: 253 }),
        },
        { rules: [nameOfType] },
      ),
      { maxItems: 5 },
    ),
  },
  { rules: [oneAuthority] },
);

export const backendTlsPolicy: Kind = {
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  alsoServed: ['v1alpha3'],
  kind: 'BackendTLSPolicy',
  plural: 'backendtlspolicies',
  singular: 'backendtlspolicy',
  shortNames: ['btlspolicy'],
  namespaced: true,
  statusSubresource: true,
  schema: object('TLS from gateways to the backends of a Service.', {
    'spec!': object('What is wanted of it.', {
      'targetRefs!': list('Services, or single ports of them.', object('One Service.', targetFields), {
        minItems: 1,
        maxItems: 16,
        rules: [oneWayToEach(['group', 'kind', 'name'], ['sectionName'])],
      }),
      'validation!': validation,
      options: map('Options of the implementation; none are known.', item({ maxLength: 4096 }), { maxProperties: 16 }),
    }),
    status: policyStatus,
  }),
  columns: [],
};
