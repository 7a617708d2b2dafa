// Which requests a rule counts, and under which entries: those that Envoy's actions make of the same rule, see envoy.ts.
// Used by proxy.ts for local limits and by whoever asks the rate limit server.
import { cidrContains, formatAddress, parseAddress, parseCidr } from '../../lib/cidr.ts';
import { compilePattern } from '../../lib/pattern.ts';
import { headerOf, type RequestHead } from '../../model/http.ts';
import { BLOCK_KEY, type RateLimitCondition, type RateLimitRule } from '../../model/rate-limit.ts';

/** Key, value, key, value, …; undefined: the request does not count. */
export type DescriptorOf = (head: RequestHead, remoteAddress: string) => readonly string[] | undefined;

export const RULE_KEY = 'rule';
export const ROUTE_KEY = 'route';
export const ADDRESS_KEY = 'remote_address';
export const conditionKey = (index: number): string => `condition-${index}`;

type Test = (head: RequestHead, remoteAddress: string) => boolean;

/** The block as Envoy writes it: its first address and its length. */
export const blockOf = (cidr: string): { readonly text: string; readonly length: number; readonly isV6: boolean } => {
  const { address, prefixLength } = parseCidr(cidr)!;
  const isV6 = cidr.includes(':');
  const masked = address.map((word, i) => {
    const bits = Math.min(32, Math.max(0, prefixLength - i * 32));
    return bits === 0 ? 0 : (word & (bits === 32 ? -1 : ~(0xffffffff >>> bits))) >>> 0;
  });
  const length = isV6 ? prefixLength : prefixLength - 96;
  const [a, b, c, d] = masked as [number, number, number, number];
  return { text: `${formatAddress(isV6 ? [a, b, c, d] : [0, 0, 0xffff, d])}/${length}`, length, isV6 };
};

const valueTest = (match: 'exact' | 'prefix' | 'regex', wanted: string): ((value: string) => boolean) => {
  if (match === 'exact') return (value) => value === wanted;
  if (match === 'regex') {
    const pattern = compilePattern(wanted);
    return (value) => pattern.matches(value);
  }
  const prefix = wanted.replace(/\/+$/, '');
  return (path) => path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === 47);
};

/** All values of a header in one, as Envoy compares them. */
const joinedHeader = ({ headers }: RequestHead, name: string): string | undefined => {
  let found: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) found = found === undefined ? headers[i + 1]! : `${found},${headers[i + 1]}`;
  }
  return found;
};

const testOf = (condition: RateLimitCondition): Test => {
  switch (condition.type) {
    case 'header': {
      const { name, match, invert } = condition;
      const holds = match === 'present' ? () => true : valueTest(match, condition.value);
      return (head) => {
        const value = name === 'host' ? head.host : joinedHeader(head, name);
        return (value !== undefined && holds(value)) !== invert;
      };
    }
    case 'method':
      return ({ method }) => condition.values.includes(method) !== condition.invert;
    case 'path': {
      const holds = valueTest(condition.match, condition.value);
      return ({ path }) => holds(path) !== condition.invert;
    }
    case 'address': {
      const cidr = parseCidr(condition.cidr)!;
      return (_head, remoteAddress) => {
        const address = parseAddress(remoteAddress);
        return address !== undefined && cidrContains(cidr, address);
      };
    }
    case 'each-value':
      return (head) => headerOf(head, condition.name) !== undefined;
  }
};

/** What does not depend on the request, once every condition holds. */
export const fixedEntries = ({ name, route, more = [], conditions }: RateLimitRule): string[] => [
  RULE_KEY,
  name,
  ...(route === undefined ? [] : [ROUTE_KEY, route]),
  ...more.flat(),
  ...conditions.flatMap((condition, i) => {
    if (condition.type === 'address') return [BLOCK_KEY, blockOf(condition.cidr).text];
    return condition.type === 'each-value' ? [] : [conditionKey(i), 'true'];
  }),
];

/** Throws where a pattern or block can't be read: compile has refused those. */
export const prepareDescriptor = (rule: RateLimitRule): DescriptorOf => {
  const tests = rule.conditions.map(testOf);
  const fixed = fixedEntries(rule);
  const values: ((head: RequestHead, remoteAddress: string) => readonly [string, string])[] = [];
  for (const [i, condition] of rule.conditions.entries()) {
    if (condition.type === 'address' && condition.each) values.push((_head, address) => [ADDRESS_KEY, address]);
    if (condition.type === 'each-value') {
      values.push((head) => [conditionKey(i), joinedHeader(head, condition.name) ?? '']);
    }
  }
  return (head, remoteAddress) => {
    for (const test of tests) if (!test(head, remoteAddress)) return undefined;
    if (values.length === 0) return fixed;
    return [...fixed, ...values.flatMap((value) => value(head, remoteAddress))];
  };
};
