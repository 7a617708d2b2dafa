// What `weft get` was asked for, as its parts pass it on. Made by get.ts.
import type { Selection } from '../client/client.ts';
import type { Wanted } from './kind-names.ts';

export const FORMATS = ['yaml', 'json', 'wide', 'name'] as const;
export type Format = (typeof FORMATS)[number] | 'table';

export interface GetRequest {
  readonly wanted: readonly Wanted[];
  readonly format: Format;
  /** Undefined: every namespace. */
  readonly namespace: string | undefined;
  readonly labelSelector: string | undefined;
  readonly fieldSelector: string | undefined;
}

export const selectionOf = (request: GetRequest, wanted: Wanted): Selection => ({
  namespace: wanted.kind.namespaced ? request.namespace : undefined,
  labelSelector: request.labelSelector,
  fieldSelector: request.fieldSelector,
});
