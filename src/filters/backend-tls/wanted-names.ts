// Whether a certificate has a name that is wanted. Used by proxy.ts for backends, and by proxy/tls for clients.
import type { AltName } from '../../lib/alt-names.ts';
import { WeftError } from '../../lib/errors.ts';
import { compilePattern } from '../../lib/pattern.ts';
import type { SanMatch } from '../../model/snapshot.ts';

const TYPES: Readonly<Record<SanMatch['name'], string>> = { DNS: 'DNS', URI: 'URI', EMAIL: 'email', IP: 'IP Address' };

/** RFC 6125, 6.4.3: a wildcard stands for one whole label. */
const isDnsMatch = (presented: string, wanted: string): boolean => {
  const [name, want] = [presented.toLowerCase(), wanted.toLowerCase()];
  if (name === want) return true;
  return name.startsWith('*.') && want.includes('.') && want.slice(want.indexOf('.')) === name.slice(1);
};

const testOf = ({ name, type, value }: SanMatch): ((presented: string) => boolean) => {
  switch (type) {
    case 'exact':
      return name === 'DNS' ? (presented) => isDnsMatch(presented, value) : (presented) => presented === value;
    case 'prefix':
      return (presented) => presented.startsWith(value);
    case 'suffix':
      return (presented) => presented.endsWith(value);
    case 'contains':
      return (presented) => presented.includes(value);
    case 'regex': {
      const pattern = compilePattern(value);
      return (presented) => pattern.matches(presented);
    }
  }
};

/** True when one name is wanted. Throws PATTERN_INVALID. */
export const prepareAltNames = (matches: readonly SanMatch[]): ((names: readonly AltName[]) => boolean) => {
  const tests = matches.map((match) => ({ type: TYPES[match.name], test: testOf(match) }));
  return (names) => tests.some(({ type, test }) => names.some((name) => name.type === type && test(name.value)));
};

export const unwantedName = (names: readonly AltName[]): WeftError => {
  const has = names.map(({ type, value }) => `${type} ${value}`).join(', ') || 'no name';
  return new WeftError('PEER_IDENTITY', `the certificate of the peer has ${has}, none of which is expected`);
};
