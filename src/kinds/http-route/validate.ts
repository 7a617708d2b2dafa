// The rules for an HTTPRoute that the words of its schema can't say; the published API has them as CEL, but for expressions.
import { isWeftError, messageOf } from '../../lib/errors.ts';
import { compilePattern } from '../../lib/pattern.ts';
import { parseDurationMs } from '../duration.ts';
import type { Refuse, Rule } from '../kind.ts';
import type {
  HttpRouteFilter,
  HttpRouteMatch,
  HttpRouteRule,
  NamedValueMatch,
  SessionPersistenceSpec,
} from './types.ts';

const MAX_MATCHES = 128;
const PATH = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$/;

/** Of the rules of a route. */
export const boundedMatches: Rule<readonly { readonly matches?: readonly unknown[] }[]> = (rules, refuse) => {
  if (rules.reduce((sum, { matches = [] }) => sum + matches.length, 0) > MAX_MATCHES) {
    refuse('', `the rules have more than ${MAX_MATCHES} matches in all`, 'split the route in two');
  }
};

export const pathOfMatch: Rule<HttpRouteMatch['path']> = ({ type, value }, refuse) => {
  if (type === 'RegularExpression') {
    checkExpression(value, '.value', refuse);
    return;
  }
  const bad = ['//', '/./', '/../', '%2f', '%2F', '#'].find((part) => value.includes(part));
  if (!value.startsWith('/')) refuse('.value', `"${value}" must begin with "/"`);
  else if (bad) refuse('.value', `"${value}" must not contain "${bad}"`);
  else if (/\/\.\.?$/.test(value)) refuse('.value', `"${value}" must not end with "/." or "/.."`);
  else if (!PATH.test(value)) refuse('.value', `"${value}" has a character that can't be in a path`);
};

export const valueOfMatch: Rule<NamedValueMatch> = ({ type, value }, refuse) => {
  if (type === 'RegularExpression') checkExpression(value, '.value', refuse);
};

/** Both engines must take it, so it must have RE2's syntax. */
export const checkExpression = (value: string, path: string, refuse: Refuse): void => {
  try {
    compilePattern(value);
  } catch (error) {
    refuse(path, messageOf(error), isWeftError(error) ? error.hint : undefined);
  }
};

export const redirectsAlone: Rule<HttpRouteRule> = ({ filters = [], backendRefs = [] }, refuse) => {
  if (backendRefs.length > 0 && filters.some(({ type }) => type === 'RequestRedirect')) {
    refuse('.filters', 'RequestRedirect must not stand beside backendRefs', 'remove one of them');
  }
};

/** A prefix can be replaced only where exactly one is matched. */
export const replacesOnePrefix: Rule<HttpRouteRule> = ({ matches, filters = [], backendRefs = [] }, refuse) => {
  const [only] = matches;
  if (matches.length === 1 && only?.path.type === 'PathPrefix') return;
  const check = (list: readonly HttpRouteFilter[], path: string) => {
    for (const [i, { requestRedirect, urlRewrite }] of list.entries()) {
      const field = urlRewrite ? 'urlRewrite' : 'requestRedirect';
      if ((urlRewrite ?? requestRedirect)?.path?.type !== 'ReplacePrefixMatch') continue;
      const message = 'ReplacePrefixMatch needs exactly one match, with a path of type PathPrefix';
      refuse(`${path}[${i}].${field}.path.type`, message);
    }
  };
  check(filters, '.filters');
  for (const [i, ref] of backendRefs.entries()) check(ref.filters ?? [], `.backendRefs[${i}].filters`);
};

export const attemptWithinRequest: Rule<NonNullable<HttpRouteRule['timeouts']>> = (timeouts, refuse) => {
  const request = parseDurationMs(timeouts.request);
  const attempt = parseDurationMs(timeouts.backendRequest);
  if (request && attempt && attempt > request) refuse('.backendRequest', 'must not be longer than the request timeout');
};

export const sessionRules: Rule<SessionPersistenceSpec> = ({ absoluteTimeout, cookie }, refuse) => {
  if (cookie?.lifetimeType === 'Permanent' && absoluteTimeout === undefined) {
    refuse('', 'absoluteTimeout is required for a cookie of lifetimeType Permanent');
  }
};
