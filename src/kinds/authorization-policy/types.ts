// The spec of an AuthorizationPolicy. Used by compile.

export interface AuthorizationPolicySpec {
  readonly action?: 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';
  readonly rules?: readonly PolicyRuleSpec[];
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly targetRef?: PolicyTarget;
  readonly targetRefs?: readonly PolicyTarget[];
  readonly provider?: { readonly name?: string };
}

export interface PolicyTarget {
  readonly group?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface PolicyRuleSpec {
  readonly from?: readonly { readonly source?: SourceSpec }[];
  readonly to?: readonly { readonly operation?: OperationSpec }[];
  readonly when?: readonly ConditionSpec[];
}

type Values = readonly string[];

export interface SourceSpec {
  readonly principals?: Values;
  readonly notPrincipals?: Values;
  readonly namespaces?: Values;
  readonly notNamespaces?: Values;
  readonly serviceAccounts?: Values;
  readonly notServiceAccounts?: Values;
  readonly ipBlocks?: Values;
  readonly notIpBlocks?: Values;
  readonly remoteIpBlocks?: Values;
  readonly notRemoteIpBlocks?: Values;
  readonly requestPrincipals?: Values;
  readonly notRequestPrincipals?: Values;
}

export interface OperationSpec {
  readonly hosts?: Values;
  readonly notHosts?: Values;
  readonly ports?: Values;
  readonly notPorts?: Values;
  readonly methods?: Values;
  readonly notMethods?: Values;
  readonly paths?: Values;
  readonly notPaths?: Values;
}

export interface ConditionSpec {
  readonly key: string;
  readonly values?: Values;
  readonly notValues?: Values;
}
