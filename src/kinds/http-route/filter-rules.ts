// The rules for filters that the words of their schema can't say; the published API has them as CEL. Used by filter-schema.ts.
import type { Rule } from '../kind.ts';
import { repeated } from '../problems.ts';
import type { HttpRouteFilter, PathModifierSpec, RequestMirrorSpec } from './types.ts';

/** Of a list: most types may stand once, and a redirect leaves nothing to rewrite. */
export const compatibleFilters: Rule<readonly HttpRouteFilter[]> = (filters, refuse) => {
  const types = filters.map(({ type }) => type);
  if (types.includes('RequestRedirect') && types.includes('URLRewrite')) {
    refuse('', 'RequestRedirect and URLRewrite must not stand together', 'give each a rule of its own');
  }
  for (const { item, index } of repeated(filters, ({ type }) => type)) {
    if (ONCE.has(item.type)) refuse(`[${index}]`, `${item.type} is there twice`, 'put both into one filter');
  }
};

const ONCE: ReadonlySet<HttpRouteFilter['type']> = new Set([
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
]);

export const pathOfType: Rule<PathModifierSpec> = ({ type, ...paths }, refuse) => {
  const [field, other] =
    type === 'ReplaceFullPath'
      ? (['replaceFullPath', 'replacePrefixMatch'] as const)
      : (['replacePrefixMatch', 'replaceFullPath'] as const);
  if (paths[field] === undefined) refuse(`.${field}`, `is required for type ${type}`);
  if (paths[other] !== undefined) refuse('', `only ${field} can be set for type ${type}`);
};

export const oneShare: Rule<RequestMirrorSpec> = ({ percent, fraction }, refuse) => {
  if (percent !== undefined && fraction !== undefined) refuse('', 'only one of percent and fraction can be set');
};

export const atMostOne: Rule<Required<NonNullable<RequestMirrorSpec['fraction']>>> = (
  { numerator, denominator },
  refuse,
) => {
  if (numerator > denominator) refuse('', `${numerator} of ${denominator} is more than all`);
};

/** Of a list in which `*` stands for everything. */
export const allOrSome: Rule<readonly string[]> = (items, refuse) => {
  if (items.length > 1 && items.includes('*')) refuse('', '"*" stands for all, so it must stand alone');
};

export const settingsOfProtocol: Rule<{ readonly protocol: string }> = (auth, refuse) => {
  for (const field of ['http', 'grpc']) {
    const given = Object.hasOwn(auth, field);
    const wanted = auth.protocol === field.toUpperCase();
    if (given && !wanted) refuse(`.${field}`, `must not be set for protocol ${auth.protocol}`);
    if (!given && wanted) refuse(`.${field}`, `is required for protocol ${auth.protocol}`);
  }
};
