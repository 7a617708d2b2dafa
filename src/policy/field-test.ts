// Compiles the values of one policy field into a test of one value. Called by policy/rule at config time.
import { type Address, cidrContains, parseAddress, parseCidr } from '../lib/cidr.ts';
import { WeftError } from '../lib/errors.ts';
import type { FieldMatch, StringMatch } from '../model/policy.ts';

/** Takes the value that a request has, or undefined where it has none. */
export type FieldTest<T> = (value: T | undefined) => boolean;

/** Of a field: true when one of `any` holds (or there are none) and none of `none` does. */
const combine = <T>(any: FieldTest<T> | undefined, none: FieldTest<T> | undefined): FieldTest<T> => {
  if (any && none) return (value) => any(value) && !none(value);
  if (any) return any;
  return none ? (value) => !none(value) : () => true;
};

const listTest = (matches: readonly StringMatch[]): FieldTest<string> | undefined => {
  if (matches.length === 0) return undefined;
  const exact = new Set<string>();
  const prefixes: string[] = [];
  const suffixes: string[] = [];
  let present = false;
  for (const match of matches) {
    if (match.type === 'present') present = true;
    else if (match.type === 'exact') exact.add(match.value);
    else (match.type === 'prefix' ? prefixes : suffixes).push(match.value);
  }
  return (value) => {
    if (value === undefined) return false;
    if (exact.has(value) || (present && value !== '')) return true;
    for (const prefix of prefixes) if (value.startsWith(prefix)) return true;
    for (const suffix of suffixes) if (value.endsWith(suffix)) return true;
    return false;
  };
};

/** A value that is absent matches nothing of `any` and nothing of `none`. */
export const prepareStrings = (field: FieldMatch): FieldTest<string> =>
  combine(listTest(field.any), listTest(field.none));

/** The same field with its values in lower case, for values that are. */
export const lowerCased = (field: FieldMatch): FieldMatch => {
  const lower = (match: StringMatch): StringMatch =>
    match.type === 'present' ? match : { type: match.type, value: match.value.toLowerCase() };
  return { any: field.any.map(lower), none: field.none.map(lower) };
};

/** Several values of one name, as headers have them: `any` needs one of them, `none` none of them. */
export const prepareManyStrings = (field: FieldMatch): ((values: readonly string[]) => boolean) => {
  const any = listTest(field.any);
  const none = listTest(field.none);
  return (values) => (!any || values.some(any)) && !(none && values.some(none));
};

export const prepareNumbers = (field: FieldMatch<number>): FieldTest<number> => {
  const listed = (numbers: readonly number[]): FieldTest<number> | undefined => {
    const set = new Set(numbers);
    return set.size ? (value) => value !== undefined && set.has(value) : undefined;
  };
  return combine(listed(field.any), listed(field.none));
};

/** Addresses come as text from sockets; each is parsed once per decision at most. Throws POLICY_INVALID. */
export const prepareAddresses = (field: FieldMatch<string>, policy: string): FieldTest<Address> => {
  const listed = (texts: readonly string[]): FieldTest<Address> | undefined => {
    const blocks = texts.map((text) => {
      const cidr = parseCidr(text);
      if (cidr) return cidr;
      throw new WeftError('POLICY_INVALID', `"${text}" in AuthorizationPolicy ${policy} is no address or CIDR block`, {
        hint: 'write it as 10.0.0.0/8, fd00::/8, or one address',
      });
    });
    return blocks.length ? (value) => !!value && blocks.some((block) => cidrContains(block, value)) : undefined;
  };
  return combine(listed(field.any), listed(field.none));
};

export const addressOf = (text: string | undefined): Address | undefined =>
  text === undefined ? undefined : parseAddress(text);
