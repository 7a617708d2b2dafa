// TCPRoute, TLSRoute and UDPRoute: one rule that leads what arrives at a listener to weighted backends. Used by their schema.ts, and their spec by compile.
import type { Kind, Schema } from './kind.ts';
import {
  GATEWAY_GROUP,
  parentFields,
  type RouteSpec,
  routeStatus,
  type WeightedBackendRef,
  weightedBackend,
} from './route-parts.ts';
import { list, object, sectionName } from './schema.ts';

export interface StreamRouteSpec extends RouteSpec {
  readonly rules: readonly { readonly name?: string; readonly backendRefs: readonly WeightedBackendRef[] }[];
}

const rule = object('Backends.', {
  name: sectionName('Name of the rule.'),
  'backendRefs!': list('Backends that share by weight.', weightedBackend(), { minItems: 1, maxItems: 16 }),
});

/** Such a kind; `fields` are those that its spec has besides parents and rules. */
export const streamRoute = (
  kind: string,
  description: string,
  alsoServed: readonly string[],
  fields: Record<string, Schema> = {},
): Kind => ({
  group: GATEWAY_GROUP,
  version: 'v1',
  alsoServed,
  kind,
  plural: `${kind.toLowerCase()}s`,
  singular: kind.toLowerCase(),
  shortNames: [],
  namespaced: true,
  statusSubresource: true,
  schema: object(description, {
    'spec!': object('What is wanted of it.', {
      ...parentFields,
      ...fields,
      'rules!': list('The one rule.', rule, { minItems: 1, maxItems: 1 }),
    }),
    status: routeStatus,
  }),
  columns: [],
});
