// The rules for an HTTPRoute that its schema can't say; the published API has them as CEL.

import { isWeftError, messageOf } from '../../lib/errors.ts';
import { compilePattern } from '../../lib/pattern.ts';
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import { parseDurationMs } from '../duration.ts';
import { invalidField, repeated } from '../problems.ts';
import { specOf } from '../schema.ts';
import { filterFields } from './filter-schema.ts';
import type {
  HttpBackendRef,
  HttpRouteFilter,
  HttpRouteMatch,
  HttpRouteRule,
  HttpRouteSpec,
  ParentRef,
} from './types.ts';

type Check = (path: string, message: string, hint?: string) => void;

const MAX_MATCHES = 128;
const PATH = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$/;

export const validateHttpRoute = (resource: Resource): Problem[] => {
  const found: Problem[] = [];
  const check: Check = (path, message, hint) => found.push(invalidField(resource, path, message, hint));
  const { parentRefs = [], rules = [] } = specOf<HttpRouteSpec>(resource);
  checkParents(parentRefs, check);
  if (rules.reduce((sum, { matches }) => sum + matches.length, 0) > MAX_MATCHES) {
    check('spec.rules', `the rules have more than ${MAX_MATCHES} matches in all`, 'split the route in two');
  }
  for (const { item, index } of repeated(
    rules.filter(({ name }) => name),
    ({ name }) => name ?? '',
  )) {
    check(`spec.rules[${index}].name`, `"${item.name}" is the name of an earlier rule`);
  }
  for (const [i, rule] of rules.entries()) checkRule(rule, `spec.rules[${i}]`, check);
  return found;
};

const checkParents = (parents: readonly ParentRef[], check: Check): void => {
  const target = ({ group, kind, namespace, name }: ParentRef) => JSON.stringify([group, kind, namespace ?? '', name]);
  parents.forEach((parent, i) => {
    const path = `spec.parentRefs[${i}]`;
    for (const earlier of parents.slice(0, i)) {
      if (target(earlier) !== target(parent)) continue;
      if (earlier.sectionName === parent.sectionName && earlier.port === parent.port) {
        check(path, 'an earlier parentRef is the same');
      } else if (
        (earlier.sectionName ?? earlier.port) === undefined ||
        (parent.sectionName ?? parent.port) === undefined
      ) {
        check(path, 'sectionName or port must be given when several parentRefs name the same parent');
      }
    }
  });
};

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
  for (const [i, ref] of (rule.backendRefs ?? []).entries())
    checkBackend(ref, rule, `${path}.backendRefs[${i}]`, check);
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
const checkExpression = (value: string, path: string, check: Check): void => {
  try {
    compilePattern(value);
  } catch (error) {
    check(path, messageOf(error), isWeftError(error) ? error.hint : undefined);
  }
};

const checkBackend = (ref: HttpBackendRef, rule: HttpRouteRule, path: string, check: Check): void => {
  if (ref.group === '' && ref.kind === 'Service' && ref.port === undefined) {
    check(`${path}.port`, 'is required for a Service');
  }
  checkFilters(ref.filters ?? [], rule, `${path}.filters`, check);
};

const checkFilters = (list: readonly HttpRouteFilter[], rule: HttpRouteRule, path: string, check: Check): void => {
  const types = list.map(({ type }) => type);
  if (types.includes('RequestRedirect') && types.includes('URLRewrite')) {
    check(path, 'RequestRedirect and URLRewrite must not stand together');
  }
  for (const { item, index } of repeated(types, (type) => type)) {
    // Several mirrors and extensions may stand side by side.
    if (item !== 'RequestMirror' && item !== 'ExtensionRef') check(`${path}[${index}]`, `${item} is there twice`);
  }
  list.forEach((filter, i) => {
    for (const [type, field] of Object.entries(filterFields)) {
      const given = filter[field] !== undefined;
      if (given && filter.type !== type) check(`${path}[${i}].${field}`, `must not be set for type ${filter.type}`);
      if (!given && filter.type === type) check(`${path}[${i}].${field}`, `is required for type ${type}`);
    }
    checkPathModifier(filter, rule, `${path}[${i}]`, check);
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
