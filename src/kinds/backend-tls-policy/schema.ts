// gateway.networking.k8s.io BackendTLSPolicy: TLS from gateways to the backends of a Service.
import { isIP } from 'node:net';
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { type PolicyTarget, policyStatus, targetFields } from '../policy-parts.ts';
import { gather } from '../route-parts.ts';
import { groupField, item, kindField, list, map, nameField, object, patterns, specOf, text } from '../schema.ts';

export interface BackendTlsPolicySpec {
  readonly targetRefs: readonly PolicyTarget[];
  readonly validation: {
    readonly caCertificateRefs?: readonly { readonly group: string; readonly kind: string; readonly name: string }[];
    readonly wellKnownCACertificates?: 'System' | '';
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

const validation = object('How the certificates of backends are checked.', {
  caCertificateRefs: list(
    'ConfigMaps whose ca.crt holds the authorities.',
    object('A ConfigMap, or a Secret, of the same namespace.', {
      'group!': groupField(),
      'kind!': kindField(),
      'name!': nameField(),
    }),
    { maxItems: 8 },
  ),
  wellKnownCACertificates: text('System: the authorities that the machine of the gateway trusts.', {
    enum: ['System', ''],
  }),
  'hostname!': text('The server name that is asked for, and that the certificate must be for.', {
    pattern: patterns.subdomain,
    minLength: 1,
    maxLength: 253,
  }),
  subjectAltNames: list(
    'Names of which the certificate must have one, in place of the hostname.',
    object('One name.', {
      'type!': text('What it is.', { enum: ['Hostname', 'URI'] }),
      hostname: text('The host name.', { pattern: patterns.hostname, minLength: 1, maxLength: 253 }),
      uri: text('The URI, such as a SPIFFE id.', { pattern: URI, minLength: 1, maxLength: 253 }),
    }),
    { maxItems: 5 },
  ),
});

const validate = (resource: Resource): Problem[] =>
  gather(resource, (check) => {
    const { targetRefs = [], validation: given } = specOf<BackendTlsPolicySpec>(resource);
    targetRefs.forEach((target, i) => {
      const same = targetRefs.slice(0, i).filter(({ kind, name }) => kind === target.kind && name === target.name);
      if (same.some(({ sectionName }) => sectionName === target.sectionName)) {
        check(`spec.targetRefs[${i}]`, 'an earlier targetRef is the same');
      } else if (same.some(({ sectionName }) => !sectionName || !target.sectionName)) {
        check(`spec.targetRefs[${i}]`, 'sectionName must be given when several targetRefs name the same target');
      }
    });
    if (!given) return;
    const { caCertificateRefs = [], wellKnownCACertificates, hostname, subjectAltNames = [] } = given;
    if (caCertificateRefs.length > 0 === Boolean(wellKnownCACertificates)) {
      check('spec.validation', 'must have either caCertificateRefs or wellKnownCACertificates');
    }
    if (isIP(hostname)) check('spec.validation.hostname', `"${hostname}" is an IP address, not a host name`);
    subjectAltNames.forEach(({ type, hostname: name, uri }, i) => {
      const path = `spec.validation.subjectAltNames[${i}]`;
      const [field, wanted, other] = type === 'Hostname' ? ['hostname', name, uri] : ['uri', uri, name];
      if (!wanted) check(`${path}.${field}`, `is required for type ${type}`);
      if (other) check(path, `only ${field} can be set for type ${type}`);
    });
  });

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
      }),
      'validation!': validation,
      options: map('Options of the implementation; none are known.', item({ maxLength: 4096 }), { maxProperties: 16 }),
    }),
    status: policyStatus,
  }),
  columns: [],
  validate,
};
