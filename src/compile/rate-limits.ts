// The limits of rates of one BackendTrafficPolicy, and what of them can't be honoured. Used by backend-settings.ts.
import type { RateLimitRuleSpec, RateLimitSpec, SelectorSpec } from '../kinds/backend-traffic-policy/rate-limit.ts';
import type { RateLimitCondition, RateLimitRule, RateLimitUnit } from '../model/rate-limit.ts';

export interface RateLimits {
  readonly local: readonly RateLimitRule[];
  readonly global: readonly RateLimitRule[];
}

type Scope = keyof RateLimits;

const SCOPES: Readonly<Record<Scope, 'Local' | 'Global'>> = { local: 'Local', global: 'Global' };

const rulesOf = (spec: RateLimitSpec, scope: Scope): readonly RateLimitRuleSpec[] =>
  spec.type === undefined || spec.type === SCOPES[scope] ? (spec[scope]?.rules ?? []) : [];

/** Undefined: a part of it can't be done, so the rule counts nothing. */
const faultOf = (rule: RateLimitRuleSpec, scope: Scope): { path: string; what: string } | undefined => {
  const { cost, shadowMode } = rule;
  if (scope === 'local' && shadowMode) return { path: 'shadowMode', what: 'this field' };
  if (cost?.response) return { path: 'cost.response', what: 'this field' };
  if (cost?.request?.from === 'Metadata') return { path: 'cost.request.metadata', what: 'this field' };
  const none = scope === 'local' && costOf(rule) > 0 && rule.limit.requests < costOf(rule);
  return none ? { path: 'limit.requests', what: 'a limit that lets no request through' } : undefined;
};

const costOf = ({ cost }: RateLimitRuleSpec): number => cost?.request?.number ?? 1;

const MATCHES = { Exact: 'exact', RegularExpression: 'regex', PathPrefix: 'prefix' } as const;

/** Any may match, inverted ones too: those of one sign are left. Undefined: every method does. */
const methodCondition = (methods: NonNullable<SelectorSpec['methods']>): RateLimitCondition | undefined => {
  const wanted = methods.filter(({ invert }) => !invert).map(({ value }) => value);
  const unwanted = [...new Set(methods.filter(({ invert }) => invert).map(({ value }) => value))];
  if (unwanted.length === 0) return { type: 'method', values: [...new Set(wanted)], invert: false };
  const [only] = unwanted;
  if (unwanted.length > 1 || wanted.includes(only!)) return undefined;
  return { type: 'method', values: unwanted, invert: true };
};

const conditionsOf = ({ headers = [], methods, path, sourceCIDR }: SelectorSpec): RateLimitCondition[] => {
  const conditions: RateLimitCondition[] = headers.map(({ type, name, value, invert }) =>
    type === 'Distinct'
      ? { type: 'each-value', name: name.toLowerCase() }
      : {
          type: 'header',
          name: name.toLowerCase(),
          match: value === undefined ? 'present' : MATCHES[type],
          value: value ?? '',
          invert,
        },
  );
  const method = methods?.length ? methodCondition(methods) : undefined;
  if (method) conditions.push(method);
  if (path) conditions.push({ type: 'path', match: MATCHES[path.type], value: path.value, invert: path.invert });
  if (sourceCIDR) conditions.push({ type: 'address', cidr: sourceCIDR.value, each: sourceCIDR.type === 'Distinct' });
  return conditions;
};

/** `owner`: `namespace/name` of the policy. */
export const compileRateLimits = (spec: RateLimitSpec | undefined, owner: string): RateLimits => {
  const compiled = (scope: Scope): RateLimitRule[] =>
    rulesOf(spec ?? {}, scope).flatMap((rule, i) => {
      const { clientSelectors = [], limit, shared, shadowMode } = rule;
      const cost = costOf(rule);
      if (faultOf(rule, scope) || (scope === 'local' && cost === 0)) return [];
      return [
        {
          name: `${owner}/${i}`,
          // Each rule of a route gets its own.
          ...(!shared && { route: '' }),
          conditions: clientSelectors.flatMap(conditionsOf),
          // Envoy's local buckets give one token a time.
          requests: scope === 'local' ? Math.floor(limit.requests / cost) : limit.requests,
          unit: limit.unit.toLowerCase() as RateLimitUnit,
          ...(scope === 'global' && cost !== 1 && { cost }),
          ...(shadowMode && { shadow: true as const }),
        },
      ];
    });
  return { local: compiled('local'), global: compiled('global') };
};

/** With the route's rule where each has a count of its own. `route`: the name of a Route of the model. */
export const rateLimitsOf = (rules: readonly RateLimitRule[], route: string): readonly RateLimitRule[] => {
  const owner = route.slice(0, route.lastIndexOf('/'));
  return rules.map((rule) => (rule.route === undefined ? rule : { ...rule, route: owner }));
};

export const refusedRateLimits = (spec: RateLimitSpec | undefined): { path: string; what: string }[] =>
  (['local', 'global'] as const).flatMap((scope) =>
    rulesOf(spec ?? {}, scope).flatMap((rule, i) => {
      const fault = faultOf(rule, scope);
      return fault ? [{ ...fault, path: `rateLimit.${scope}.rules[${i}].${fault.path}` }] : [];
    }),
  );
