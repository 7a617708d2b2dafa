// certificates.k8s.io ClusterTrustBundle: certificates of authorities that the whole cluster may read.
import { X509Certificate } from 'node:crypto';
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { invalidField } from '../problems.ts';
import { object, specOf, text } from '../schema.ts';

export const CERTIFICATES_GROUP = 'certificates.k8s.io';

export interface ClusterTrustBundleSpec {
  readonly signerName?: string;
  readonly trustBundle: string;
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const blocksOf = (pem: string): string[] => pem.match(BLOCK) ?? [];

/** Undefined where all is well. */
const wrongIn = (pem: string): string | undefined => {
  const blocks = blocksOf(pem);
  if (blocks.length === 0) return 'has no certificate in PEM form';
  for (const [i, block] of blocks.entries()) {
    try {
      if (!new X509Certificate(block).ca) return `certificate ${i + 1} is not that of an authority`;
    } catch {
      return `certificate ${i + 1} can't be read`;
    }
  }
  return undefined;
};

/** The name of a bundle says who signs for it. */
const validate = (resource: Resource): Problem[] => {
  const { signerName, trustBundle = '' } = specOf<ClusterTrustBundleSpec>(resource);
  const { name = '' } = resource.metadata;
  const found: Problem[] = [];
  const wrong = wrongIn(trustBundle);
  if (wrong) found.push(invalidField(resource, 'spec.trustBundle', wrong));
  const prefix = signerName ? `${signerName.replaceAll('/', ':')}:` : '';
  if (prefix && !name.startsWith(prefix)) {
    found.push(invalidField(resource, 'metadata.name', `must begin with "${prefix}", as spec.signerName is set`));
  }
  if (!prefix && name.includes(':')) {
    found.push(invalidField(resource, 'metadata.name', 'must not have a ":", as spec.signerName is not set'));
  }
  return found;
};

export const clusterTrustBundle: Kind = {
  group: CERTIFICATES_GROUP,
  version: 'v1',
  alsoServed: ['v1beta1', 'v1alpha1'],
  kind: 'ClusterTrustBundle',
  plural: 'clustertrustbundles',
  singular: 'clustertrustbundle',
  shortNames: [],
  namespaced: false,
  nameSeparator: ':',
  statusSubresource: false,
  schema: object('Certificates of authorities that the whole cluster may read.', {
    'spec!': object('What it holds.', {
      signerName: text('Who signs by these authorities; its name begins with this.', { maxLength: 571 }),
      'trustBundle!': text('Certificates of authorities in PEM form.', { minLength: 1, maxLength: 1024 * 1024 }),
    }),
  }),
  columns: [
    {
      name: 'SignerName',
      type: 'string',
      value: (resource) => specOf<ClusterTrustBundleSpec>(resource).signerName || '<none>',
    },
  ],
  validate,
};
