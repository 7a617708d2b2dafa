// gateway.networking.k8s.io GRPCRoute: how gRPC calls at a Gateway, or to a Service, find their backends.
import { filters } from '../http-route/filter-schema.ts';
import { headerMatches, sessionPersistence } from '../http-route/schema.ts';
import { boundedMatches } from '../http-route/validate.ts';
import type { Kind } from '../kind.ts';
import {
  GATEWAY_GROUP,
  hostnameItem,
  hostnamesColumn,
  parentFields,
  routeStatus,
  uniqueNames,
  weightedBackend,
} from '../route-parts.ts';
import { list, object, sectionName, text } from '../schema.ts';
import { namesOfMethod } from './validate.ts';

const method = object(
  'The service and method that are called; either may be left out.',
  {
    type: text('How they are compared.', { enum: ['Exact', 'RegularExpression'], default: 'Exact' }),
    service: text('The full name of the service, e.g. shop.v1.Orders.', { maxLength: 1024 }),
    method: text('The method, e.g. List.', { maxLength: 1024 }),
  },
  { rules: [namesOfMethod] },
);

// Any text may be asked of a header here, also what none can have.
const match = object('Conditions on a call; all must hold.', { method, headers: headerMatches() });

const GRPC_FILTERS = ['ResponseHeaderModifier', 'RequestHeaderModifier', 'RequestMirror', 'ExtensionRef'] as const;

const rule = object('Matches, what is done on the way, and backends.', {
  name: sectionName('Name of the rule, unique in the route.'),
  matches: list('The rule takes a call when one of these holds; every call when unset.', match, { maxItems: 64 }),
  filters: filters('What is done to the call and its answer, in this order.', GRPC_FILTERS),
  backendRefs: list(
    'Backends that share the calls by weight.',
    weightedBackend({ filters: filters('Filters for calls to this backend alone.', GRPC_FILTERS) }),
    { maxItems: 16 },
  ),
  sessionPersistence,
});

export const grpcRoute: Kind = {
  group: GATEWAY_GROUP,
  version: 'v1',
  alsoServed: [],
  kind: 'GRPCRoute',
  plural: 'grpcroutes',
  singular: 'grpcroute',
  shortNames: [],
  namespaced: true,
  statusSubresource: true,
  schema: object('How gRPC calls find their backends.', {
    'spec!': object('What is wanted of it.', {
      ...parentFields,
      hostnames: list('Host names that it serves, exact or *.suffix; those of the listener when unset.', hostnameItem, {
        maxItems: 16,
      }),
      rules: list('The rules; the most specific match wins.', rule, {
        maxItems: 16,
        rules: [uniqueNames, boundedMatches],
      }),
    }),
    status: routeStatus,
  }),
  columns: [hostnamesColumn],
};
