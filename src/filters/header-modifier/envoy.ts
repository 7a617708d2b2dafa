// Header edits in Envoy's terms. Called by xds/envoy-form for routes and weighted clusters.
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  HeaderValueOption_HeaderAppendAction,
  type HeaderValueOptionSchema,
} from '../../gen/envoy/config/core/v3/base_pb.js';
import type { HeaderModifier, RouteFilter } from '../../model/route.ts';
import { type HeaderWrite, mergeHeaderModifiers } from './merge.ts';

type HeaderOption = MessageInitShape<typeof HeaderValueOptionSchema>;

/** The fields of the same names that Route, RouteAction's weighted clusters and VirtualHost have. */
export interface EnvoyHeaderEdits {
  readonly requestHeadersToAdd: HeaderOption[];
  readonly requestHeadersToRemove: string[];
  readonly responseHeadersToAdd: HeaderOption[];
  readonly responseHeadersToRemove: string[];
}

const optionOf = ({ mode, name, value }: HeaderWrite): HeaderOption => ({
  // A percent sign begins a command of Envoy's formatter.
  header: { key: name, value: value.replaceAll('%', '%%') },
  appendAction:
    mode === 'set'
      ? HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
      : HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD,
  keepEmptyValue: true,
});

const editsOf = (filters: readonly RouteFilter[], type: HeaderModifier['type']) => {
  const edit = mergeHeaderModifiers(filters, type);
  return { add: (edit?.writes ?? []).map(optionOf), remove: [...(edit?.remove ?? [])] };
};

/**
 * Envoy applies a weighted cluster's edits before its route's. Filters act in the other order, so where any target
 * has filters of its own: put `[...route.filters, ...target.filters]` on each weighted cluster, and none on the route.
 */
export const envoyHeaderEdits = (filters: readonly RouteFilter[]): EnvoyHeaderEdits => {
  const request = editsOf(filters, 'request-headers');
  const response = editsOf(filters, 'response-headers');
  return {
    requestHeadersToAdd: request.add,
    requestHeadersToRemove: request.remove,
    responseHeadersToAdd: response.add,
    responseHeadersToRemove: response.remove,
  };
};
