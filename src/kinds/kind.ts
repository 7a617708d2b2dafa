// What a kind is: its names, schema and checks. REST paths, watch, validation, `weft explain` and tables follow from it.
import type { Problem } from '../model/problem.ts';
import type { Resource } from '../model/resource.ts';

/** Reports what is wrong at a path below the value, e.g. `.port`; an empty one is the value itself. */
export type Refuse = (path: string, message: string, hint?: string) => void;

/** A check that the words of a schema can't say. It sees the value after defaults, when nothing else is wrong with it. */
export type Rule<T = never> = (value: T, refuse: Refuse) => void;

/** The part of OpenAPI v3 / JSON schema that Kubernetes calls structural. */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  /** One sentence for `explain`. */
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly (string | number | boolean)[];
  readonly default?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly 'x-kubernetes-int-or-string'?: true;
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
  /** Lists that merge by key, for strategic merge patches. */
  readonly 'x-kubernetes-list-type'?: 'map' | 'set' | 'atomic';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  /** Of an object that is owned and merged as a whole. */
  readonly 'x-kubernetes-map-type'?: 'atomic';
  readonly rules?: readonly Rule[];
}

export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  /** Shown only with `-o wide`. */
  readonly wide?: boolean;
  readonly value: (resource: Resource) => string | number;
}

export interface Kind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Further versions that are served with the same schema, e.g. `v1beta1`. */
  readonly alsoServed: readonly string[];
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** Its names may have several parts, each a name by itself. */
  readonly nameSeparator?: ':';
  /** Of the whole resource below metadata: `spec`, `status`, or top-level fields such as `data`. */
  readonly schema: Schema;
  /** A served version that takes more than `schema`. What is stored may have come through it. */
  readonly wider?: { readonly version: string; readonly schema: Schema };
  /** True when status is a subresource: a write to the resource leaves it alone, and the other way round. */
  readonly statusSubresource: boolean;
  /** True when the API itself makes the objects and clients can only read them. */
  readonly readOnly?: true;
  /** Columns of `kubectl get` between NAME and AGE. */
  readonly columns: readonly Column[];
  /** Fields that keep the value that they were made with. */
  readonly immutable?: readonly string[];
  /** Moves write-only fields where they are kept, fills what depends on other fields. Runs after schema and defaults. */
  readonly normalize?: (resource: Resource) => Resource;
  /** Checks that the schema can't say. Runs after schema and defaults. */
  readonly validate?: (resource: Resource) => Problem[];
}
