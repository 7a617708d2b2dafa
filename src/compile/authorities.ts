// Certificates of authorities and revocation lists that resources refer to, in ConfigMaps, Secrets and ClusterTrustBundles. Used where client
// and server certificates are to be checked.
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { CERTIFICATES_GROUP, type ClusterTrustBundleSpec } from '../kinds/cluster-trust-bundle/schema.ts';
import type { ConfigMapResource } from '../kinds/config-map/schema.ts';
import { specOf } from '../kinds/schema.ts';
import type { SecretResource } from '../kinds/secret/schema.ts';
import type { ValidationSecret } from '../model/snapshot.ts';
import type { Input } from './input.ts';
import type { Grants } from './references.ts';

interface Ref {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** What refers to them. */
export interface Referrer {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
}

export interface RefProblem {
  readonly reason: 'InvalidCACertificateRef' | 'InvalidCACertificateKind' | 'RefNotPermitted';
  readonly message: string;
}

export interface ReadAuthorities {
  /** Absent where no authority could be read, or a list could not. */
  readonly secret?: ValidationSecret;
  /** Of the first reference that can't be used. */
  readonly problem?: RefProblem;
}

/** The authorities of `refs` with the lists of `crls`: those that can be read. */
export type Authorities = (refs: readonly Ref[], crls: readonly Ref[], from: Referrer) => ReadAuthorities;

const ROOTS = 'ca.crt';

type Content = { readonly name: string; readonly pem: string } | { readonly problem: RefProblem };

export const openAuthorities = (sources: readonly Input[], grants: Grants): Authorities => {
  const holders = new Map(sources.map((input) => [`${input.resource.kind} ${input.key}`, input]));
  const read = (ref: Ref, from: Referrer, field: string, check: (pem: string) => string): Content => {
    const { group, kind, name, namespace = from.namespace } = ref;
    const isBundle = group === CERTIFICATES_GROUP && kind === 'ClusterTrustBundle' && field === ROOTS;
    if (!isBundle && (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret'))) {
      const what = `${group ? `${group}/` : ''}${kind}`;
      const message = `${what} is not supported here; use a ConfigMap or a Secret`;
      return { problem: { reason: 'InvalidCACertificateKind', message } };
    }
    if (!isBundle && !grants.allows({ from, to: { group, kind, namespace, name } })) {
      const message = `no ReferenceGrant in namespace ${namespace} lets a ${from.kind} of ${from.namespace} refer to ${kind} ${name}`;
      return { problem: { reason: 'RefNotPermitted', message } };
    }
    const invalid = (message: string): Content => ({ problem: { reason: 'InvalidCACertificateRef', message } });
    const key = isBundle ? name : `${namespace}/${name}`;
    const place = `${kind} ${key}`;
    const holder = holders.get(place);
    if (!holder) return invalid(`${place} does not exist`);
    const text = textIn(holder, field);
    if (text === undefined) return invalid(`${place} has no ${field}`);
    try {
      return { name: `${kind}/${key}`, pem: check(text) };
    } catch {
      return invalid(`${field} of ${place} is not in PEM form, or has nothing that can be used`);
    }
  };
  return (refs, crls, from) => {
    const roots = refs.map((ref) => read(ref, from, ROOTS, certificatesIn));
    const lists = crls.map((ref) => read(ref, from, 'ca.crl', listsIn));
    const problems = [...roots, ...lists].flatMap((content) => ('problem' in content ? [content.problem] : []));
    const good = roots.flatMap((content) => ('pem' in content ? [content] : []));
    const revoked = lists.flatMap((content) => ('pem' in content ? [content] : []));
    const usable = good.length > 0 && revoked.length === lists.length;
    const name = [...good, ...revoked].map((content) => content.name).join('+');
    return {
      ...(usable && {
        secret: {
          name,
          caPem: good.map(({ pem }) => pem).join(''),
          ...(revoked.length > 0 && { crlPem: revoked.map(({ pem }) => pem).join('') }),
        },
      }),
      ...(problems[0] && { problem: problems[0] }),
    };
  };
};

const textIn = ({ resource }: Input, field: string): string | undefined => {
  if (resource.kind === 'ClusterTrustBundle') return specOf<ClusterTrustBundleSpec>(resource).trustBundle;
  if (resource.kind === 'ConfigMap') return (resource as ConfigMapResource).data?.[field];
  const value = (resource as SecretResource).data?.[field];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString();
};

const blocksOf = (text: string, label: string): string[] =>
  [...text.matchAll(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, 'g'))].map(([block]) => block);

const joined = (blocks: readonly string[]): string => {
  if (blocks.length === 0) throw new Error('no PEM block');
  return blocks.map((block) => `${block}\n`).join('');
};

// What the data plane can't load must be found here: there it would hold up the whole listener.

const certificatesIn = (text: string): string => {
  const blocks = blocksOf(text, 'CERTIFICATE');
  for (const block of blocks) new X509Certificate(block);
  return joined(blocks);
};

const listsIn = (text: string): string => {
  const blocks = blocksOf(text, 'X509 CRL');
  for (const block of blocks) createSecureContext({ crl: block });
  return joined(blocks);
};
