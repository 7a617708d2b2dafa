// The rules for an HTTPRoute that its schema can't say; the published API has them as CEL.

import { isWeftError, messageOf } from '../../lib/errors.ts';
import { compilePattern } from '../../lib/pattern.ts';
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import { parseDurationMs } from '../duration.ts';
import { repeated } from '../problems.ts';
import { type Check, checkRoute, gather } from '../route-parts.ts';
import { specOf } from '../schema.ts';
import { filterFields } from './filter-schema.ts';
import type { HttpRouteFilter, HttpRouteMatch, HttpRouteRule, HttpRouteSpec } from './types.ts';

const MAX_MATCHES = 128;
const PATH = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$/;

export const validateHttpRoute = (resource: Resource): Problem[] =>
  gather(resource, (check) => {
    const spec = specOf<HttpRouteSpec>(resource);
    const { rules = [] } = spec;
    checkRoute(spec, check);
    if (rules.reduce((sum, { matches }) => sum + matches.length, 0) > MAX_MATCHES) {
      check('spec.rules', `the rules have more than ${MAX_MATCHES} matches in all`, 'split the route in two');
    }
    for (const [i, rule] of rules.entries()) checkRule(rule, `spec.rules[${i}]`, check);
  });

const checkRule = (rule: HttpRouteRule, path: string, check: Check): void => {
  for (const [i, match] of rule.matches.entries()) {
    checkPath(match, `${path}.matches[${i}].path`, check);
    for (const field of ['headers', 'queryParams'] as const) {
      for (const [j, { type, value }] of (match[field] ?? []).entries()) {
        if (type === 'RegularExpression') checkExpression(value, `${path}.matches[${i}].${field}[${j}].value`, check);
      }
    }
  }
  checkFilters(rule.filters ?? [], rule, `${path}.filters`, check);
  if (rule.backendRefs?.length && rule.filters?.some(({ type }) => type === 'RequestRedirect')) {
    check(`${path}.filters`, 'RequestRedirect must not stand beside backendRefs');
  }
  for (const [i, { filters = [] }] of (rule.backendRefs ?? []).entries()) {
    checkFilters(filters, rule, `${path}.backendRefs[${i}].filters`, check);
  }
  const request = parseDurationMs(rule.timeouts?.request);
  const backendRequest = parseDurationMs(rule.timeouts?.backendRequest);
  if (request && backendRequest && backendRequest > request) {
    check(`${path}.timeouts.backendRequest`, 'must not be longer than the request timeout');
  }
};

const checkPath = ({ path: { type, value } }: HttpRouteMatch, path: string, check: Check): void => {
  if (type === 'RegularExpression') {
    checkExpression(value, `${path}.value`, check);
    return;
  }
  const bad = ['//', '/./', '/../', '%2f', '%2F', '#'].find((part) => value.includes(part));
  if (!value.startsWith('/')) check(`${path}.value`, `"${value}" must begin with "/"`);
  else if (bad) check(`${path}.value`, `"${value}" must not contain "${bad}"`);
  else if (/\/\.\.?$/.test(value)) check(`${path}.value`, `"${value}" must not end with "/." or "/.."`);
  else if (!PATH.test(value)) check(`${path}.value`, `"${value}" has a character that can't be in a path`);
};

/** Both engines must take it, so it must have RE2's syntax. */
export const checkExpression = (value: string, path: string, check: Check): void => {
  try {
    compilePattern(value);
  } catch (error) {
    check(path, messageOf(error), isWeftError(error) ? error.hint : undefined);
  }
};

const checkFilters = (list: readonly HttpRouteFilter[], rule: HttpRouteRule, path: string, check: Check): void => {
  const types = list.map(({ type }) => type);
  if (types.includes('RequestRedirect') && types.includes('URLRewrite')) {
    check(path, 'RequestRedirect and URLRewrite must not stand together');
  }
  checkFilterFields(list, path, check);
  for (const [i, filter] of list.entries()) checkPathModifier(filter, rule, `${path}[${i}]`, check);
};

/** Each has the settings of its type alone, and most types may stand once. */
export const checkFilterFields = (list: readonly HttpRouteFilter[], path: string, check: Check): void => {
  for (const { item, index } of repeated(list, ({ type }) => type)) {
    // Several mirrors and extensions may stand side by side.
    if (item.type === 'RequestMirror' || item.type === 'ExtensionRef') continue;
    check(`${path}[${index}]`, `${item.type} is there twice`);
  }
  list.forEach((filter, i) => {
    for (const [type, field] of Object.entries(filterFields)) {
      const given = filter[field] !== undefined;
      if (given && filter.type !== type) check(`${path}[${i}].${field}`, `must not be set for type ${filter.type}`);
      if (!given && filter.type === type) check(`${path}[${i}].${field}`, `is required for type ${type}`);
    }
  });
};

const checkPathModifier = (filter: HttpRouteFilter, rule: HttpRouteRule, path: string, check: Check): void => {
  const field = filter.urlRewrite ? 'urlRewrite' : 'requestRedirect';
  const modifier = filter[field]?.path;
  if (!modifier) return;
  const { type, replaceFullPath, replacePrefixMatch } = modifier;
  const [wanted, other] =
    type === 'ReplaceFullPath' ? [replaceFullPath, replacePrefixMatch] : [replacePrefixMatch, replaceFullPath];
  const name = type === 'ReplaceFullPath' ? 'replaceFullPath' : 'replacePrefixMatch';
  if (wanted === undefined) check(`${path}.${field}.path.${name}`, `is required for type ${type}`);
  if (other !== undefined) check(`${path}.${field}.path`, `only ${name} can be set for type ${type}`);
  const [only] = rule.matches;
  if (type === 'ReplacePrefixMatch' && (rule.matches.length !== 1 || only?.path.type !== 'PathPrefix')) {
    check(`${path}.${field}.path.type`, 'ReplacePrefixMatch needs exactly one match, with a path of type PathPrefix');
  }
};
