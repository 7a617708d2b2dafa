// Subject alternative names of peers' certificates, and whether one of them is wanted. Called by terminate.ts, dial.ts and client-certificate.ts.
import { WeftError } from '../../lib/errors.ts';
import { compilePattern } from '../../lib/pattern.ts';
import type { SanMatch } from '../../model/snapshot.ts';

export interface AltName {
  /** As Node's text form has it: `DNS`, `URI`, `email`, `IP Address`, … */
  readonly type: string;
  readonly value: string;
}

// A name that contains what separates names is quoted as a JSON string.
const NAME = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/y;

/** Out of Node's text form. What can't be read ends the list: no name is made of a part of another. */
export const altNamesIn = (text: string | undefined): AltName[] => {
  const names: AltName[] = [];
  if (!text) return names;
  NAME.lastIndex = 0;
  while (NAME.lastIndex < text.length) {
    const match = NAME.exec(text);
    if (!match) break;
    const [, type = '', raw = ''] = match;
    try {
      names.push({ type, value: raw.startsWith('"') ? String(JSON.parse(raw)) : raw });
    } catch {
      break;
    }
  }
  return names;
};

export const valuesOf = (names: readonly AltName[], type: string): string[] =>
  names.filter((name) => name.type === type).map(({ value }) => value);

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
