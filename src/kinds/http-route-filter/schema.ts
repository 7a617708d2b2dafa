// gateway.envoyproxy.io HTTPRouteFilter: what HTTPRoutes ask for by extensionRef.
import { headerModifier } from '../http-route/filter-schema.ts';
import type { Kind } from '../kind.ts';
import { notYet } from '../policy-parts.ts';
import { groupField, integer, kindField, list, nameField, object, text } from '../schema.ts';
import { validateHttpRouteFilter } from './validate.ts';

const directResponse = object("An answer in place of a backend's.", {
  contentType: text('Its content-type.'),
  body: object('Its body, as it is: commands of formatters are not supported.', {
    'type!': text('Where the body is.', { enum: ['Inline', 'ValueRef'] }),
    inline: text('The body.', { minLength: 1 }),
    valueRef: object('A ConfigMap of the same namespace: its key response.body, or else its first.', {
      'group!': groupField(),
      'kind!': kindField(),
      'name!': nameField(),
    }),
  }),
  statusCode: integer('Its status; 200 when unset.', { minimum: 200, maximum: 599 }),
  header: headerModifier('the answer'),
});

export const httpRouteFilter: Kind = {
  group: 'gateway.envoyproxy.io',
  version: 'v1alpha1',
  alsoServed: [],
  kind: 'HTTPRouteFilter',
  plural: 'httproutefilters',
  singular: 'httproutefilter',
  shortNames: ['hrf'],
  namespaced: true,
  statusSubresource: false,
  schema: object('A filter that HTTPRoutes ask for by extensionRef.', {
    'spec!': object('What is wanted of it.', {
      directResponse,
      urlRewrite: notYet('Rewrites by expression'),
      credentialInjection: notYet('Credentials for backends'),
      requestMirror: notYet('Mirrors of another form'),
      matches: list('Further conditions; not supported yet.', notYet('One condition')),
    }),
  }),
  columns: [],
  validate: validateHttpRouteFilter,
};
