// gateway.networking.k8s.io HTTPRoute: how HTTP requests at a Gateway, or to a Service, find their backends.
import type { Kind } from '../kind.ts';
import {
  hostnameItem,
  hostnamesColumn,
  parentFields,
  routeStatus,
  settingsMatchType,
  uniqueNames,
  weightedBackend,
} from '../route-parts.ts';
import { integer, keyed, list, object, patterns, sectionName, text } from '../schema.ts';
import { filters } from './filter-schema.ts';
import {
  attemptWithinRequest,
  boundedMatches,
  pathOfMatch,
  redirectsAlone,
  replacesOnePrefix,
  sessionRules,
  valueOfMatch,
} from './validate.ts';

const duration = (description: string) => text(description, { pattern: patterns.duration });

const valueMatch = (what: string, limits: { maxLength: number; pattern?: string }) =>
  object(
    `One ${what}.`,
    {
      type: text('How the value is compared.', { enum: ['Exact', 'RegularExpression'], default: 'Exact' }),
      'name!': text('Its name.', { pattern: patterns.headerName, minLength: 1, maxLength: 256 }),
      'value!': text('The value.', { minLength: 1, ...limits }),
    },
    { rules: [valueOfMatch] },
  );

export const headerMatches = (limits: { pattern?: string } = {}) =>
  keyed('Headers.', ['name'], valueMatch('header', { maxLength: 4096, ...limits }), { maxItems: 16 });

const match = object('Conditions on a request; all must hold.', {
  path: object(
    'The path, without the query.',
    {
      type: text('How it is compared; a prefix goes by whole path elements.', {
        enum: ['Exact', 'PathPrefix', 'RegularExpression'],
        default: 'PathPrefix',
      }),
      value: text('The path, prefix or expression.', { default: '/', maxLength: 1024 }),
    },
    { default: { type: 'PathPrefix', value: '/' }, rules: [pathOfMatch] },
  ),
  method: text('The method.', {
    enum: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'],
  }),
  headers: headerMatches({ pattern: patterns.headerValue }),
  queryParams: keyed('Parameters of the query.', ['name'], valueMatch('parameter', { maxLength: 1024 }), {
    maxItems: 16,
  }),
});

export const sessionPersistence = object(
  'Keeps a client with an endpoint, for as long as it is there.',
  {
    type: text('How it is kept.', { enum: ['Cookie', 'Header'], default: 'Cookie' }),
    absoluteTimeout: duration('When a session ends, however often it was used; of a Permanent cookie its life.'),
    cookie: object('For cookies.', {
      name: text('Name of the cookie; one is made when unset.', {
        pattern: patterns.headerName,
        minLength: 1,
        maxLength: 256,
      }),
      path: text('Path of the cookie.', { default: '/', maxLength: 1024 }),
      lifetimeType: text('How long the cookie lives.', { enum: ['Permanent', 'Session'], default: 'Session' }),
    }),
    header: object('For headers.', {
      'name!': text('Name of the header.', { pattern: patterns.headerName, minLength: 1, maxLength: 256 }),
    }),
  },
  { rules: [settingsMatchType({ Cookie: 'cookie', Header: 'header' }), sessionRules] },
);

const rule = object(
  'Matches, what is done on the way, and backends.',
  {
    name: sectionName('Name of the rule, unique in the route.'),
    matches: list('The rule takes a request when one of these holds.', match, {
      maxItems: 64,
      default: [{ path: { type: 'PathPrefix', value: '/' } }],
    }),
    filters: filters('What is done to the request and its answer, in this order.'),
    backendRefs: list(
      'Backends that share the requests by weight.',
      weightedBackend({ filters: filters('Filters for requests to this backend alone.') }),
      { maxItems: 16 },
    ),
    timeouts: object(
      'How long things may take; 0s: without end.',
      {
        request: duration('From the request to the end of the answer, retries included.'),
        backendRequest: duration('One attempt at a backend.'),
      },
      { rules: [attemptWithinRequest] },
    ),
    retry: object('When a request is tried again.', {
      attempts: integer('How often at most, after the first time.', { minimum: 0, default: 1 }),
      backoff: duration('The least wait between attempts.'),
      codes: list('Statuses that are tried again.', integer('', { minimum: 400, maximum: 599 }), {
        'x-kubernetes-list-type': 'set',
      }),
    }),
    sessionPersistence,
  },
  { rules: [redirectsAlone, replacesOnePrefix] },
);

const spec = object('What is wanted of it.', {
  ...parentFields,
  hostnames: list('Host names that it serves, exact or *.suffix; those of the listener when unset.', hostnameItem, {
    maxItems: 16,
  }),
  rules: list('The rules; the most specific match wins.', rule, {
    minItems: 1,
    maxItems: 16,
    rules: [uniqueNames, boundedMatches],
    default: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }],
  }),
});

export const httpRoute: Kind = {
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  alsoServed: ['v1beta1'],
  kind: 'HTTPRoute',
  plural: 'httproutes',
  singular: 'httproute',
  shortNames: [],
  namespaced: true,
  statusSubresource: true,
  schema: object('How HTTP requests find their backends.', {
    'spec!': spec,
    status: routeStatus,
  }),
  columns: [hostnamesColumn],
};
