// security.istio.io PeerAuthentication: whether workloads take plain text, or mutual TLS only.
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { invalidField } from '../problems.ts';
import { istioStatus, item, map, object, specOf, text } from '../schema.ts';

export type PeerMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT';

export interface PeerAuthenticationSpec {
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly mtls?: { readonly mode?: PeerMode };
  readonly portLevelMtls?: Readonly<Record<string, { readonly mode?: PeerMode }>>;
}

const mode = text(
  'STRICT: mutual TLS only; PERMISSIVE: plain text too; DISABLE: plain text; UNSET: as the parent says.',
  {
    enum: ['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'],
  },
);

/** The selector of Istio's security kinds. */
export const workloadSelector = object('Workloads that it is for; all of the namespace when unset.', {
  matchLabels: map('Labels that must be there with these values.', item({ maxLength: 63 }), { maxProperties: 4096 }),
});

export const checkSelector = (resource: Resource, labels: Readonly<Record<string, string>> = {}): Problem[] =>
  Object.entries(labels)
    .filter(([key, value]) => key === '' || key.includes('*') || value.includes('*'))
    .map(([key]) => invalidField(resource, `spec.selector.matchLabels.${key}`, 'wildcards are not allowed in labels'));

const validate = (resource: Resource): Problem[] => {
  const { selector, portLevelMtls } = specOf<PeerAuthenticationSpec>(resource);
  const found = checkSelector(resource, selector?.matchLabels);
  if (!portLevelMtls) return found;
  if (!Object.keys(selector?.matchLabels ?? {}).length) {
    found.push(invalidField(resource, 'spec.portLevelMtls', 'needs a selector with labels'));
  }
  for (const port of Object.keys(portLevelMtls)) {
    if (!/^[0-9]{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535) {
      found.push(invalidField(resource, `spec.portLevelMtls.${port}`, 'is not a port (1 to 65535)'));
    }
  }
  return found;
};

export const peerAuthentication: Kind = {
  group: 'security.istio.io',
  version: 'v1',
  alsoServed: ['v1beta1'],
  kind: 'PeerAuthentication',
  plural: 'peerauthentications',
  singular: 'peerauthentication',
  shortNames: ['pa'],
  namespaced: true,
  statusSubresource: true,
  schema: object('Whether workloads take plain text, or mutual TLS only.', {
    spec: object('What is wanted of it.', {
      selector: workloadSelector,
      mtls: object('The mode of all ports.', { mode }),
      portLevelMtls: map('The mode of single ports of the workload.', object('One port.', { mode })),
    }),
    status: istioStatus,
  }),
  columns: [
    { name: 'Mode', type: 'string', value: (resource) => specOf<PeerAuthenticationSpec>(resource).mtls?.mode ?? '' },
  ],
  validate,
};
