// Header edits in Envoy's terms. Named by registry.ts.
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  HeaderValueOption_HeaderAppendAction,
  type HeaderValueOptionSchema,
} from '../../gen/envoy/config/core/v3/base_pb.js';
import type { EnvoyFilter } from '../envoy-filter.ts';
import { type HeaderWrite, mergeHeaderModifiers } from './merge.ts';
import type { HeaderModifier } from './schema.ts';

type HeaderOption = MessageInitShape<typeof HeaderValueOptionSchema>;

/** The fields of the same names that Route has. */
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

const editsOf = (filters: readonly HeaderModifier[], type: HeaderModifier['type']) => {
  const edit = mergeHeaderModifiers(filters, type);
  return { add: (edit?.writes ?? []).map(optionOf), remove: [...(edit?.remove ?? [])] };
};

/** An edit that a target adds is merged with its route's, as Envoy would apply it first. */
export const envoyHeaderEdits = (filters: readonly HeaderModifier[]): EnvoyHeaderEdits => {
  const request = editsOf(filters, 'request-headers');
  const response = editsOf(filters, 'response-headers');
  return {
    requestHeadersToAdd: request.add,
    requestHeadersToRemove: request.remove,
    responseHeadersToAdd: response.add,
    responseHeadersToRemove: response.remove,
  };
};

export const envoyFilter: EnvoyFilter<HeaderModifier> = {
  route: (filters) => ({ route: envoyHeaderEdits(filters) }),
};
