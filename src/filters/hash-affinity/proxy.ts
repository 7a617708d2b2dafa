// The own engine's hashes of requests, by which clusters choose. Prepared by proxy/exchange/affinity.ts.
import { hashText } from '../../lib/hash.ts';
import type { Random } from '../../lib/random.ts';
import { headerOf, type RequestHead } from '../../model/http.ts';
import { type AffinityPart, NO_AFFINITY, type TakeAffinityPart } from '../affinity.ts';
import { cookieOf, setCookie } from '../cookies.ts';
import type { HashPolicy } from './schema.ts';

const queryValue = (head: RequestHead, name: string): string | undefined =>
  new URLSearchParams(head.query).get(name) ?? undefined;

const hashOf = (value: string | undefined): AffinityPart =>
  value === undefined ? NO_AFFINITY : { hash: hashText(value) };

export const prepareHash = (policy: HashPolicy, random: Random): TakeAffinityPart => {
  switch (policy.type) {
    case 'source-ip':
      return (_, address) => hashOf(address);
    case 'query':
      return (head) => hashOf(queryValue(head, policy.name));
    case 'header':
      return (head) => hashOf(headerOf(head, policy.name));
    case 'cookie':
      return prepareCookieHash(policy, random);
  }
};

const prepareCookieHash = (
  { name, ttlMs, attributes }: Extract<HashPolicy, { type: 'cookie' }>,
  random: Random,
): TakeAffinityPart => {
  const rest = attributes.map((one) => `; ${one.name}${one.value === '' ? '' : `=${one.value}`}`).join('');
  return (head) => {
    const value = cookieOf(head, name);
    if (value !== undefined || ttlMs === undefined) return hashOf(value);
    const made = Array.from({ length: 2 }, () =>
      Math.floor(random.next() * 2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    ).join('');
    return {
      hash: hashText(made),
      mark: (headers) => headers.push('set-cookie', setCookie(name, made, ttlMs, rest)),
    };
  };
};
