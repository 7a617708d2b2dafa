// The rules for a Gateway that the words of its schema can't say; the published API has them as CEL.
import { isIP } from 'node:net';
import type { Rule } from '../kind.ts';
import { patterns } from '../schema.ts';
import type { GatewaySpec, ListenerSpec } from './types.ts';

type Address = NonNullable<GatewaySpec['addresses']>[number];

const HOSTNAME = new RegExp(patterns.hostname);
const SUBDOMAIN = new RegExp(patterns.subdomain);
const MAX_PREFIX = 252;

export const checkAddress: Rule<Address> = ({ type, value }, refuse) => {
  if (value === undefined) return;
  // A zone is of one machine alone.
  if (type === 'IPAddress' && (!isIP(value) || value.includes('%')))
    refuse('.value', `"${value}" is not an IP address`);
  if (type === 'Hostname' && !HOSTNAME.test(value)) refuse('.value', `"${value}" is not a host name`);
};

export const uniqueAddresses: Rule<readonly Address[]> = (addresses, refuse) => {
  const given = addresses.map(({ type, value }) => (type === 'IPAddress' || type === 'Hostname' ? value : undefined));
  given.forEach((value, i) => {
    const same = addresses.findIndex((other) => other.type === addresses[i]?.type && other.value === value);
    if (value !== undefined && same < i) refuse(`[${i}]`, `"${value}" is there twice`, 'remove one of them');
  });
};

export const validRoutability: Rule<string> = (value, refuse) => {
  if (value === '' || value === 'Cluster') return;
  const [domain = '', ...rest] = value.split('/');
  if (rest.join('/') === '' || !SUBDOMAIN.test(domain)) {
    refuse('', `"${value}" is neither Cluster nor of the form domain/word`);
  } else if (domain === 'k8s.io' || domain.endsWith('.k8s.io')) {
    refuse('', 'names below k8s.io are reserved', 'use Cluster, or a domain of your own');
  }
};

/** The keys of labels and annotations. */
export const validKeys: Rule<Readonly<Record<string, string>>> = (entries, refuse) => {
  for (const key of Object.keys(entries)) {
    const [prefix = ''] = key.split('/');
    if (!QUALIFIED.test(key))
      refuse('', `"${key}" must be a name of at most 63 characters, after a domain and "/" or alone`);
    else if (prefix.length > MAX_PREFIX)
      refuse('', `the domain of "${prefix}" is longer than ${MAX_PREFIX} characters`);
  }
};

const QUALIFIED =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$/;

export const noNamespaceOfBundle: Rule<readonly { group: string; kind: string; namespace?: string }[]> = (
  refs,
  refuse,
) => {
  refs.forEach(({ group, kind, namespace }, i) => {
    if (group === 'certificates.k8s.io' && kind === 'ClusterTrustBundle' && namespace !== undefined) {
      refuse(`[${i}].namespace`, 'must not be set for a ClusterTrustBundle', 'remove the field');
    }
  });
};

export const filtersNeedHttp: Rule<ListenerSpec> = ({ filters, protocol }, refuse) => {
  if (filters && protocol !== 'HTTP' && protocol !== 'HTTPS') {
    refuse('.filters', `must not be set for protocol ${protocol}`, 'use protocol: HTTP or HTTPS');
  }
};
