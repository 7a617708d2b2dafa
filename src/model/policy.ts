// Authorization as compiled from AuthorizationPolicy: what both engines enforce, in Istio's meaning.

export type StringMatch =
  | { readonly type: 'exact' | 'prefix' | 'suffix'; readonly value: string }
  /** Any non-empty value (`*`). */
  | { readonly type: 'present' };

/** Values of one field: matches when any of `any` does (or `any` is empty) and none of `none` does. */
export interface FieldMatch<T = StringMatch> {
  readonly any: readonly T[];
  readonly none: readonly T[];
}

/** Who calls. All given fields must match. Principals are `<trustDomain>/ns/<ns>/sa/<sa>`, as Istio writes them. */
export interface SourceMatch {
  readonly principals?: FieldMatch;
  readonly namespaces?: FieldMatch;
  /** CIDR blocks or addresses of the direct peer. */
  readonly ipBlocks?: FieldMatch<string>;
  /** CIDR blocks or addresses of the original client (from x-forwarded-for as the proxy trusts it). */
  readonly remoteIpBlocks?: FieldMatch<string>;
}

/** What is asked. All given fields must match. Hosts match without regard to case. */
export interface OperationMatch {
  readonly hosts?: FieldMatch;
  /** Ports as the workload listens on them. */
  readonly ports?: FieldMatch<number>;
  readonly methods?: FieldMatch;
  readonly paths?: FieldMatch;
}

/** A `when` entry: `key` is one of Istio's (`request.headers[x]`, `source.ip`, `source.namespace`, `source.principal`, `destination.ip`, `destination.port`, `connection.sni`, `remote.ip`). */
export interface ConditionMatch {
  readonly key: string;
  readonly values: FieldMatch;
}

/** Matches when one of `from` (or it is empty), one of `to` (or it is empty) and all of `when` match. */
export interface PolicyRule {
  readonly from: readonly SourceMatch[];
  readonly to: readonly OperationMatch[];
  readonly when: readonly ConditionMatch[];
}

/** One AuthorizationPolicy as it applies to a listener. No rule matches nothing: an ALLOW without rules denies all. */
export interface AuthorizationPolicy {
  /** `namespace/name`. */
  readonly name: string;
  readonly action: 'ALLOW' | 'DENY';
  readonly rules: readonly PolicyRule[];
}
