// BackendTrafficPolicy's limits of rates: schema, types, and the rules that the schema can't say.
import { parseCidr } from '../../lib/cidr.ts';
import { compilePattern } from '../../lib/pattern.ts';
import type { Schema } from '../kind.ts';
import type { Check } from '../route-parts.ts';
import { flag, integer, list, object, patterns, text } from '../schema.ts';

export interface RateLimitSpec {
  readonly type?: 'Local' | 'Global';
  readonly local?: { readonly rules?: readonly RateLimitRuleSpec[] };
  readonly global?: { readonly rules?: readonly RateLimitRuleSpec[] };
}

export interface RateLimitRuleSpec {
  readonly clientSelectors?: readonly SelectorSpec[];
  readonly limit: { readonly requests: number; readonly unit: string };
  readonly cost?: { readonly request?: CostSpec; readonly response?: CostSpec };
  readonly shared?: boolean;
  readonly shadowMode?: boolean;
}

interface CostSpec {
  readonly from: 'Number' | 'Metadata';
  readonly number?: number;
  readonly metadata?: object;
}

export interface SelectorSpec {
  readonly headers?: readonly {
    readonly type: 'Exact' | 'RegularExpression' | 'Distinct';
    readonly name: string;
    readonly value?: string;
    readonly invert: boolean;
  }[];
  readonly methods?: readonly { readonly value: string; readonly invert: boolean }[];
  readonly path?: {
    readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression';
    readonly value: string;
    readonly invert: boolean;
  };
  readonly sourceCIDR?: { readonly type: 'Exact' | 'Distinct'; readonly value: string };
}

const invert = flag('Whether those count that do not match.', { default: false });

const selector = object('What holds of the requests that count; all of it.', {
  headers: list(
    'Headers, all of which must match.',
    object('One header.', {
      type: text('How its value is compared; Distinct: every value has a count of its own.', {
        enum: ['Exact', 'RegularExpression', 'Distinct'],
        default: 'Exact',
      }),
      'name!': text('Its name.', { minLength: 1, maxLength: 256 }),
      value: text('Its value; none with Distinct.', { maxLength: 1024 }),
      invert,
    }),
    { maxItems: 16 },
  ),
  methods: list(
    'Methods, one of which must match.',
    object('One method.', {
      'value!': text('The method.', {
        enum: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'],
      }),
      invert,
    }),
  ),
  path: object('The path.', {
    type: text('How it is compared.', { enum: ['Exact', 'PathPrefix', 'RegularExpression'], default: 'PathPrefix' }),
    'value!': text('The path.', { maxLength: 1024, default: '/' }),
    invert,
  }),
  sourceCIDR: object('Where requests come from.', {
    type: text('Exact: one count for the block; Distinct: one for each address in it.', {
      enum: ['Exact', 'Distinct'],
      default: 'Exact',
    }),
    'value!': text('A block of addresses, as 10.0.0.0/8.', { minLength: 1, maxLength: 256 }),
  }),
});

const cost = (description: string) =>
  object(description, {
    'from!': text('Number; Metadata is not supported.', { enum: ['Number', 'Metadata'] }),
    number: integer('How much.', { format: 'int64', minimum: 0 }),
    metadata: object('Where it stands; not supported.', {
      'namespace!': text('Its namespace.'),
      'key!': text('Its key.'),
    }),
  });

const rules = (maxItems: number) =>
  list(
    'Limits. A request counts for each rule that it matches, and is answered 429 by the first that has no room.',
    object('One limit.', {
      clientSelectors: list('Which requests count; all when unset.', selector, { maxItems: 8 }),
      'limit!': object('How many.', {
        'requests!': integer('So many.', { format: 'int64', minimum: 0, maximum: 4_294_967_295 }),
        'unit!': text('In so long.', { enum: ['Second', 'Minute', 'Hour', 'Day', 'Month', 'Year'] }),
      }),
      cost: object('What a request takes of the limit.', {
        request: cost('When it comes; 1 when unset.'),
        response: cost('When it is answered; not supported.'),
      }),
      shared: flag('Whether all targets of the policy have one count; else each rule of a route has its own.'),
      shadowMode: flag('Whether it is only counted; for global limits.'),
    }),
    { maxItems },
  );

export const rateLimitSchema: Schema = object('How many requests may come.', {
  type: text('Which of both holds; both when unset.', { enum: ['Global', 'Local'] }),
  local: object('Counted by each gateway for itself.', { rules: rules(16) }),
  global: object('Counted by the rate limit server for all gateways.', { 'rules!': rules(128) }),
});

const HEADER_NAME = new RegExp(patterns.headerName);

const checkSelector = (selector: SelectorSpec, path: string, check: Check): void => {
  const { headers, methods, path: wanted, sourceCIDR } = selector;
  if (!headers && !methods && !wanted && !sourceCIDR) {
    check(path, 'at least one of headers, methods, path or sourceCIDR must be specified');
  }
  headers?.forEach(({ type, name, value, invert }, i) => {
    const at = `${path}.headers[${i}]`;
    if (!HEADER_NAME.test(name)) check(`${at}.name`, 'must be the name of a header');
    if (type === 'Distinct') {
      if (value !== undefined) check(`${at}.value`, 'must not be set with type Distinct');
      if (invert) check(`${at}.invert`, 'must not be set with type Distinct');
    } else if (type === 'RegularExpression') checkPattern(value ?? '', `${at}.value`, check);
  });
  if (wanted?.type === 'RegularExpression') checkPattern(wanted.value, `${path}.path.value`, check);
  if (sourceCIDR && !parseCidr(sourceCIDR.value)) {
    check(`${path}.sourceCIDR.value`, 'must be a block of addresses, as 10.0.0.0/8');
  }
};

const checkPattern = (pattern: string, path: string, check: Check): void => {
  try {
    compilePattern(pattern);
  } catch {
    check(path, 'must be a regular expression as RE2 has them');
  }
};

export const checkRateLimit = (spec: RateLimitSpec, check: Check): void => {
  for (const scope of ['local', 'global'] as const) {
    spec[scope]?.rules?.forEach(({ clientSelectors, cost }, i) => {
      const path = `spec.rateLimit.${scope}.rules[${i}]`;
      clientSelectors?.forEach((selector, j) => {
        checkSelector(selector, `${path}.clientSelectors[${j}]`, check);
      });
      if (scope === 'local' && cost?.response) {
        check(`${path}.cost.response`, 'response cost is not supported for Local Rate Limits');
      }
      for (const [name, part] of Object.entries(cost ?? {})) {
        if (part?.number !== undefined && part.metadata) {
          check(`${path}.cost.${name}`, 'only one of number or metadata can be specified');
        }
      }
    });
  }
};
