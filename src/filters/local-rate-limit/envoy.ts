// Local limits of rates in Envoy's terms: a route's actions make descriptors, the listener's filter has a bucket for each.
// The buckets stand at the listener, so that changes of routes don't empty them. Named by registry.ts; the actions are
// those of global limits too.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { WireType } from '@bufbuild/protobuf/wire';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import type { HeaderMatcherSchema, RateLimitSchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import {
  XRateLimitHeadersRFCVersion as Headers,
  type LocalRateLimitDescriptorSchema,
} from '../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js';
import { LocalRateLimitSchema } from '../../gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import { FractionalPercent_DenominatorType as Of } from '../../gen/envoy/type/v3/percent_pb.js';
import { BLOCK_KEY, type RateLimitCondition, type RateLimitRule, UNIT_SECONDS } from '../../model/rate-limit.ts';
import type { RouteTable } from '../../model/snapshot.ts';
import type { EnvoyFilter } from '../envoy-filter.ts';
import { configured, type Init, withNewer } from '../envoy-message.ts';
import { ADDRESS_KEY, blockOf, conditionKey, ROUTE_KEY, RULE_KEY } from './conditions.ts';
import type { LocalRateLimit } from './schema.ts';

type EnvoyRateLimit = MessageInitShape<typeof RateLimitSchema>;
type Action = NonNullable<Init<typeof RateLimitSchema>['actions']>[number];
type Matcher = MessageInitShape<typeof HeaderMatcherSchema>;
type Descriptor = MessageInitShape<typeof LocalRateLimitDescriptorSchema>;

/** Which filter a route's limit is for. */
export const STAGE = { local: 0, global: 1 } as const;

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

const byPattern = (name: string, regex: string): Matcher => ({
  name,
  headerMatchSpecifier: {
    case: 'stringMatch',
    value: { matchPattern: { case: 'safeRegex', value: { regex } } },
  },
});

const exactly = (name: string, value: string): Matcher => ({
  name,
  headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: { case: 'exact', value } } },
});

/** Envoy's `:path` has the query too. */
const PATH_PATTERN = {
  exact: (value: string) => literal(value),
  prefix: (value: string) => `${literal(value.replace(/\/+$/, ''))}(?:/[^?]*)?`,
  regex: (value: string) => `(?:${value})`,
} as const;

const matcherOf = (condition: Extract<RateLimitCondition, { invert: boolean }>): Matcher => {
  if (condition.type === 'method') return byPattern(':method', condition.values.map(literal).join('|'));
  if (condition.type === 'path')
    return byPattern(':path', `${PATH_PATTERN[condition.match](condition.value)}(?:\\?.*)?`);
  const { match, value } = condition;
  const name = condition.name === 'host' ? ':authority' : condition.name;
  if (match === 'present') return { name, headerMatchSpecifier: { case: 'presentMatch', value: true } };
  return match === 'exact' ? exactly(name, value) : byPattern(name, value);
};

const maskedAddress = (cidr: string): Action => {
  const { length, isV6 } = blockOf(cidr);
  const value = isV6 ? { v6PrefixMaskLen: length } : { v4PrefixMaskLen: length };
  return { actionSpecifier: { case: 'maskedRemoteAddress', value } };
};

const generic = (descriptorKey: string, descriptorValue: string): Action => ({
  actionSpecifier: { case: 'genericKey', value: { descriptorKey, descriptorValue } },
});

/** What does not depend on the request comes first, as the own engine has it. */
const actionsOf = ({ name, route, more = [], conditions }: RateLimitRule): Action[] => {
  const fixed: Action[] = [
    generic(RULE_KEY, name),
    ...(route === undefined ? [] : [generic(ROUTE_KEY, route)]),
    ...more.map(([key, value]) => generic(key, value)),
  ];
  const values: Action[] = [];
  for (const [i, condition] of conditions.entries()) {
    const descriptorKey = conditionKey(i);
    if (condition.type === 'address') {
      fixed.push(maskedAddress(condition.cidr));
      if (condition.each) values.push({ actionSpecifier: { case: 'remoteAddress', value: {} } });
    } else if (condition.type === 'each-value') {
      values.push({
        actionSpecifier: { case: 'requestHeaders', value: { headerName: condition.name, descriptorKey } },
      });
    } else {
      const value = {
        descriptorKey,
        descriptorValue: 'true',
        expectMatch: !condition.invert,
        headers: [matcherOf(condition)],
      };
      fixed.push({ actionSpecifier: { case: 'headerValueMatch', value } });
    }
  }
  return [...fixed, ...values];
};

/** Of a RouteAction. */
export const envoyRateLimits = (rules: readonly RateLimitRule[], stage: number): EnvoyRateLimit[] =>
  rules.map((rule) => ({ stage, actions: actionsOf(rule) }));

/** An empty value stands for any: each one found has a bucket of its own. */
const ANY = '';

const localDescriptor = ({ name, route, conditions, requests, unit }: RateLimitRule): Descriptor => {
  const values: { key: string; value: string }[] = [];
  const fixed = [{ key: RULE_KEY, value: name }, ...(route === undefined ? [] : [{ key: ROUTE_KEY, value: ANY }])];
  for (const [i, condition] of conditions.entries()) {
    if (condition.type === 'address') {
      fixed.push({ key: BLOCK_KEY, value: blockOf(condition.cidr).text });
      if (condition.each) values.push({ key: ADDRESS_KEY, value: ANY });
    } else if (condition.type === 'each-value') values.push({ key: conditionKey(i), value: ANY });
    else fixed.push({ key: conditionKey(i), value: 'true' });
  }
  return {
    entries: [...fixed, ...values],
    tokenBucket: {
      maxTokens: requests,
      tokensPerFill: requests,
      fillInterval: create(DurationSchema, { seconds: BigInt(UNIT_SECONDS[unit]) }),
    },
  };
};

/** max_dynamic_descriptors: 65536, as many as the own engine keeps. */
const MANY = { no: 18, wireType: WireType.LengthDelimited, data: new Uint8Array([4, 8, 0x80, 0x80, 4]) };

const always = { defaultValue: { numerator: 100, denominator: Of.HUNDRED } };

/** One for all routes that differ in nothing but the name. */
const rulesOf = ({ virtualHosts }: RouteTable): RateLimitRule[] => {
  const rules = new Map<string, RateLimitRule>();
  for (const { routes } of virtualHosts) {
    for (const { filters } of routes) {
      for (const filter of filters) {
        if (filter.type !== 'local-rate-limit') continue;
        for (const rule of filter.rules) rules.set(`${rule.name} ${rule.route === undefined}`, rule);
      }
    }
  }
  return [...rules.values()].map((rule) => (rule.route === undefined ? rule : { ...rule, route: '' }));
};

export const envoyFilter: EnvoyFilter<LocalRateLimit> = {
  chainKey(table) {
    const rules = rulesOf(table);
    return rules.length === 0 ? '' : JSON.stringify(rules);
  },
  httpFilter(_handler, table) {
    const rules = table ? rulesOf(table) : [];
    if (rules.length === 0) return undefined;
    const config: Init<typeof LocalRateLimitSchema> = {
      statPrefix: 'http_local_rate_limiter',
      filterEnabled: always,
      filterEnforced: always,
      descriptors: rules.map(localDescriptor),
      enableXRatelimitHeaders: Headers.DRAFT_VERSION_03,
      alwaysConsumeDefaultTokenBucket: false,
    };
    const newer = withNewer(LocalRateLimitSchema, config, [MANY]);
    return configured('envoy.filters.http.local_ratelimit', LocalRateLimitSchema, newer);
  },
  route: (filters) => ({
    rateLimits: envoyRateLimits(
      filters.flatMap(({ rules }) => rules),
      STAGE.local,
    ),
  }),
};
