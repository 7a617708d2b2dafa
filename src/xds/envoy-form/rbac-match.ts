// The single fields of AuthorizationPolicy as Envoy's RBAC matchers. Used by rbac.ts; same meaning as policy/field-test.
import { isIPv6 } from 'node:net';
import type { CidrRangeSchema } from '../../gen/envoy/config/core/v3/address_pb.js';
import type { PermissionSchema, PrincipalSchema } from '../../gen/envoy/config/rbac/v3/rbac_pb.js';
import type { StringMatcherSchema } from '../../gen/envoy/type/matcher/v3/string_pb.js';
import type { FieldMatch, StringMatch } from '../../model/policy.ts';
import { escapeRegex, type Init } from './message.ts';

export type Permission = Init<typeof PermissionSchema>;
export type Principal = Init<typeof PrincipalSchema>;
type StringMatcher = Init<typeof StringMatcherSchema>;
type CidrRange = Init<typeof CidrRangeSchema>;

/** The two halves of an RBAC rule differ only in the names of their connectives. */
export interface Side<M> {
  readonly any: M;
  and(parts: readonly M[]): M;
  or(parts: readonly M[]): M;
  not(part: M): M;
}

export const permissions: Side<Permission> = {
  any: { rule: { case: 'any', value: true } },
  and: (parts) => (parts.length === 1 ? parts[0]! : { rule: { case: 'andRules', value: { rules: [...parts] } } }),
  or: (parts) => (parts.length === 1 ? parts[0]! : { rule: { case: 'orRules', value: { rules: [...parts] } } }),
  not: (part) => ({ rule: { case: 'notRule', value: part } }),
};

export const principals: Side<Principal> = {
  any: { identifier: { case: 'any', value: true } },
  and: (parts) => (parts.length === 1 ? parts[0]! : { identifier: { case: 'andIds', value: { ids: [...parts] } } }),
  or: (parts) => (parts.length === 1 ? parts[0]! : { identifier: { case: 'orIds', value: { ids: [...parts] } } }),
  not: (part) => ({ identifier: { case: 'notId', value: part } }),
};

/** One of `any` (or there are none), and none of `none`. */
export const fieldOf = <M, T>(side: Side<M>, field: FieldMatch<T>, match: (value: T) => M): M => {
  const parts: M[] = [];
  if (field.any.length > 0) parts.push(side.or(field.any.map(match)));
  if (field.none.length > 0) parts.push(side.not(side.or(field.none.map(match))));
  return parts.length > 0 ? side.and(parts) : side.any;
};

/** What is known when the configuration is made. */
export const constantOf = <M>(side: Side<M>, holds: boolean): M => (holds ? side.any : side.not(side.any));

const stringMatcher = (match: StringMatch, ignoreCase = false): StringMatcher =>
  match.type === 'present'
    ? { matchPattern: { case: 'safeRegex', value: { regex: '.+' } } }
    : { matchPattern: { case: match.type, value: match.value }, ignoreCase };

const namePrefix = 'spiffe://';

/** Istio writes principals without the scheme. */
export const principalName = (match: StringMatch): Principal => {
  const matcher: StringMatch =
    match.type === 'exact' || match.type === 'prefix'
      ? { type: match.type, value: namePrefix + match.value }
      : match.type === 'suffix'
        ? match
        : { type: 'prefix', value: namePrefix };
  return { identifier: { case: 'authenticated', value: { principalName: stringMatcher(matcher) } } };
};

export const namespaceName = (match: StringMatch): Principal => {
  const text = match.type === 'present' ? '' : escapeRegex(match.value);
  const part = { exact: text, prefix: `${text}[^/]*`, suffix: `[^/]*${text}`, present: '[^/]+' }[match.type];
  const regex = `spiffe://[^/]+/ns/${part}/sa/[^/]+`;
  return {
    identifier: {
      case: 'authenticated',
      value: { principalName: { matchPattern: { case: 'safeRegex', value: { regex } } } },
    },
  };
};

export const cidrRange = (text: string): CidrRange => {
  const [addressPrefix, bits] = text.split('/') as [string, string | undefined];
  return { addressPrefix, prefixLen: bits === undefined ? (isIPv6(addressPrefix) ? 128 : 32) : Number(bits) };
};

export const headerPermission = (name: string, match: StringMatch, ignoreCase = false): Permission => ({
  rule: {
    case: 'header',
    value: {
      name,
      headerMatchSpecifier: { case: 'stringMatch', value: stringMatcher(match, ignoreCase) },
    },
  },
});

export const pathPermission = (match: StringMatch): Permission => ({
  rule: { case: 'urlPath', value: { rule: { case: 'path', value: stringMatcher(match) } } },
});

export const sniPermission = (match: StringMatch): Permission => ({
  rule: { case: 'requestedServerName', value: stringMatcher(match) },
});
