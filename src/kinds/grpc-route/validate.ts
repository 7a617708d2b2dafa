// The rules for a GRPCRoute that its schema can't say; the published API has them as CEL.
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import { checkExpression, checkFilterFields } from '../http-route/validate.ts';
import { type Check, checkRoute, gather } from '../route-parts.ts';
import { specOf } from '../schema.ts';
import type { GrpcRouteMatch, GrpcRouteRule, GrpcRouteSpec } from './types.ts';

export const GRPC_FILTERS = [
  'ResponseHeaderModifier',
  'RequestHeaderModifier',
  'RequestMirror',
  'ExtensionRef',
] as const;

const MAX_MATCHES = 128;
const SERVICE = /^\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$/i;
const METHOD = /^[A-Za-z_][A-Za-z_0-9]*$/;

export const validateGrpcRoute = (resource: Resource): Problem[] =>
  gather(resource, (check) => {
    const spec = specOf<GrpcRouteSpec>(resource);
    const { rules = [] } = spec;
    checkRoute(spec, check);
    if (rules.reduce((sum, { matches = [] }) => sum + matches.length, 0) > MAX_MATCHES) {
      check('spec.rules', `the rules have more than ${MAX_MATCHES} matches in all`, 'split the route in two');
    }
    for (const [i, rule] of rules.entries()) checkRule(rule, `spec.rules[${i}]`, check);
  });

const checkRule = (
  { matches = [], filters = [], backendRefs = [] }: GrpcRouteRule,
  path: string,
  check: Check,
): void => {
  for (const [i, match] of matches.entries()) checkMatch(match, `${path}.matches[${i}]`, check);
  checkFilterFields(filters, `${path}.filters`, check);
  for (const [i, ref] of backendRefs.entries()) {
    checkFilterFields(ref.filters ?? [], `${path}.backendRefs[${i}].filters`, check);
  }
};

const checkMatch = ({ method: wanted, headers = [] }: GrpcRouteMatch, path: string, check: Check): void => {
  for (const [i, { type, value }] of headers.entries()) {
    if (type === 'RegularExpression') checkExpression(value, `${path}.headers[${i}].value`, check);
  }
  if (!wanted) return;
  const { type, service, method } = wanted;
  if (!service && !method) check(`${path}.method`, 'needs service, method or both');
  for (const [field, value, form] of [
    ['service', service, SERVICE],
    ['method', method, METHOD],
  ] as const) {
    if (!value) continue;
    if (type === 'RegularExpression') checkExpression(value, `${path}.method.${field}`, check);
    else if (!form.test(value)) check(`${path}.method.${field}`, `"${value}" can't be the name of a ${field}`);
  }
};
