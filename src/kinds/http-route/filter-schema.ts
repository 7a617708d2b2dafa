// The schema of an HTTPRoute's filters, for whole rules and for single backends.
import type { Rule, Schema } from '../kind.ts';
import { backendRef, settingsMatchType } from '../route-parts.ts';
import {
  flag,
  groupField,
  integer,
  item,
  keyed,
  kindField,
  list,
  nameField,
  object,
  patterns,
  port,
  text,
} from '../schema.ts';
import { allOrSome, atMostOne, compatibleFilters, oneShare, pathOfType, settingsOfProtocol } from './filter-rules.ts';

const header = object('One header.', {
  'name!': text('Its name; case does not matter.', { pattern: patterns.headerName, minLength: 1, maxLength: 256 }),
  'value!': text('Its value.', { pattern: patterns.headerValue, minLength: 1, maxLength: 4096 }),
});

export const headerModifier = (what: string): Schema =>
  object(`Changes the headers of ${what}.`, {
    set: keyed('Replaces the header, or adds it.', ['name'], header, { maxItems: 16 }),
    add: keyed('Adds a value to the header.', ['name'], header, { maxItems: 16 }),
    remove: list('Removes the headers.', item(), { maxItems: 16, 'x-kubernetes-list-type': 'set' }),
  });

const pathModifier = object(
  'How the path changes.',
  {
    'type!': text('What is replaced.', { enum: ['ReplaceFullPath', 'ReplacePrefixMatch'] }),
    replaceFullPath: text('The new path.', { maxLength: 1024 }),
    replacePrefixMatch: text('What stands in place of the prefix that the match names.', { maxLength: 1024 }),
  },
  { rules: [pathOfType] },
);

const hostname = (description: string): Schema =>
  text(description, { pattern: patterns.subdomain, minLength: 1, maxLength: 253 });

const redirect = object('Answers with a redirect.', {
  scheme: text('New scheme.', { enum: ['http', 'https'] }),
  hostname: hostname('New host name.'),
  path: pathModifier,
  port: port('New port.'),
  statusCode: integer('The status.', { enum: [301, 302, 303, 307, 308], default: 302 }),
});

const mirror = object(
  'Sends a copy to another backend.',
  {
    'backendRef!': backendRef('The backend.'),
    percent: integer('Share of the requests in percent.', { format: 'int32', minimum: 0, maximum: 100 }),
    fraction: object(
      'Share of the requests.',
      {
        'numerator!': integer('Numerator.', { format: 'int32', minimum: 0 }),
        denominator: integer('Denominator.', { format: 'int32', minimum: 1, default: 100 }),
      },
      { rules: [atMostOne] },
    ),
  },
  { rules: [oneShare] },
);

const headerNames = (description: string, rules: readonly Rule[] = []): Schema =>
  list(description, item({ pattern: patterns.headerName, minLength: 1, maxLength: 256 }), {
    maxItems: 64,
    'x-kubernetes-list-type': 'set',
    rules,
  });

const cors = object('Answers cross-origin requests.', {
  allowCredentials: flag('Whether credentials are allowed.'),
  allowOrigins: list('Origins that are allowed.', item({ pattern: patterns.origin, minLength: 1, maxLength: 253 }), {
    maxItems: 64,
    'x-kubernetes-list-type': 'set',
    rules: [allOrSome],
  }),
  allowMethods: list(
    'Methods that are allowed.',
    item({ enum: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', '*'] }),
    { maxItems: 9, 'x-kubernetes-list-type': 'set', rules: [allOrSome] },
  ),
  allowHeaders: headerNames('Request headers that are allowed.', [allOrSome]),
  exposeHeaders: headerNames('Response headers that scripts may read.'),
  maxAge: integer('For how many seconds browsers may keep the answer.', { format: 'int32', minimum: 1, default: 5 }),
});

const headerSet = (description: string): Schema =>
  list(description, item(), { maxItems: 64, 'x-kubernetes-list-type': 'set' });

export const externalAuth = object(
  'Asks a service whether a request may pass.',
  {
    'protocol!': text('How it is asked.', { enum: ['HTTP', 'GRPC'] }),
    'backendRef!': backendRef('The service.'),
    forwardBody: object('Whether the body is sent along.', {
      maxSize: integer('At most so many bytes.', { format: 'int32', minimum: 0 }),
    }),
    grpc: object('For GRPC.', { allowedHeaders: headerSet('Headers that are sent.') }),
    http: object('For HTTP.', {
      allowedHeaders: headerSet('Headers that are sent.'),
      allowedResponseHeaders: headerSet('Headers of its answer that are passed on.'),
      path: text('Prefix of the path that is asked.', { pattern: patterns.path, maxLength: 1024 }),
    }),
  },
  { rules: [settingsOfProtocol] },
);

const settingsOf = {
  requestHeaderModifier: headerModifier('the request'),
  responseHeaderModifier: headerModifier('the answer'),
  requestMirror: mirror,
  requestRedirect: redirect,
  urlRewrite: object('Changes path and host on the way to the backend.', {
    hostname: hostname('New host name.'),
    path: pathModifier,
  }),
  extensionRef: object('A filter of a kind of its own: an HTTPRouteFilter of the same namespace.', {
    'group!': groupField(),
    'kind!': kindField(),
    'name!': nameField(),
  }),
  cors,
  externalAuth,
};

/** The types of filters, each with the field that holds its settings. */
export const filterFields = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  ExtensionRef: 'extensionRef',
  CORS: 'cors',
  ExternalAuth: 'externalAuth',
} as const;

type FilterType = keyof typeof filterFields;

const ALL = Object.keys(filterFields) as readonly FilterType[];

/** A list of filters of these types. */
export const filters = (description: string, types: readonly FilterType[] = ALL): Schema => {
  const settings = types.map((type) => [filterFields[type], settingsOf[filterFields[type]]]);
  const filter = object(
    'One filter; the field named after its type holds its settings.',
    {
      'type!': text('What it does.', { enum: types }),
      ...Object.fromEntries(settings),
    },
    { rules: [settingsMatchType(filterFields)] },
  );
  return list(description, filter, { maxItems: 16, rules: [compatibleFilters] });
};
