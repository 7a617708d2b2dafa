// AuthorizationPolicies in Istio's meaning. What can't be honoured fails closed: an ALLOW rule never matches, a DENY rule matches without that part. Used by compile.
import type {
  AuthorizationPolicySpec,
  ConditionSpec,
  OperationSpec,
  PolicyRuleSpec,
  SourceSpec,
} from '../kinds/authorization-policy/types.ts';
import type { PolicyScope, ScopedPolicy } from '../model/mesh.ts';
import type {
  AuthorizationPolicy,
  ConditionMatch,
  FieldMatch,
  OperationMatch,
  PolicyRule,
  SourceMatch,
  StringMatch,
} from '../model/policy.ts';
import type { Problem } from '../model/problem.ts';
import type { Input } from './input.ts';
import { notSupported, problemOf, warning } from './problem.ts';

export interface PolicyOptions {
  readonly trustDomain: string;
  readonly rootNamespace: string;
}

export interface CompiledPolicy {
  readonly policies: readonly ScopedPolicy[];
  readonly problems: readonly Problem[];
}

type Values = readonly string[] | undefined;

const parseMatch = (value: string): StringMatch => {
  if (value === '*') return { type: 'present' };
  if (value.endsWith('*')) return { type: 'prefix', value: value.slice(0, -1) };
  if (value.startsWith('*')) return { type: 'suffix', value: value.slice(1) };
  return { type: 'exact', value };
};

const field = <T>(any: Values, none: Values, parse: (value: string) => T): FieldMatch<T> | undefined =>
  any?.length || none?.length ? { any: (any ?? []).map(parse), none: (none ?? []).map(parse) } : undefined;

const text = (any: Values, none: Values) => field(any, none, parseMatch);

/** Leaves out what is undefined, so that equal policies are equal objects. */
const present = <T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;

export const compilePolicy = (input: Input<AuthorizationPolicySpec>, options: PolicyOptions): CompiledPolicy => {
  const { spec, key } = input;
  const problems: Problem[] = [];
  if (spec.action === 'AUDIT') {
    const hint = 'the policy has no effect; remove it, or use ALLOW or DENY';
    return { policies: [], problems: [notSupported(input, 'spec.action', 'AUDIT', hint)] };
  }
  if (spec.action === 'CUSTOM') {
    problems.push(notSupported(input, 'spec.action', 'CUSTOM', 'until it is, the policy denies what its rules match'));
  }
  const action = spec.action === 'DENY' || spec.action === 'CUSTOM' ? 'DENY' : 'ALLOW';
  const context: RuleContext = { input, action, options, problems };
  const rules = (spec.rules ?? []).map((rule, i) => compileRule(rule, `spec.rules[${i}]`, context));
  const policy: AuthorizationPolicy = { name: key, action, rules: rules.filter((rule) => rule !== undefined) };
  const scopes = scopesOf(input, options, problems);
  return { policies: scopes.map((scope) => ({ scope, policy })), problems };
};

const scopesOf = (
  input: Input<AuthorizationPolicySpec>,
  { rootNamespace }: PolicyOptions,
  problems: Problem[],
): PolicyScope[] => {
  const { spec, namespace } = input;
  const targets = spec.targetRefs ?? (spec.targetRef ? [spec.targetRef] : undefined);
  if (targets) {
    return targets.flatMap(({ group = '', kind, name }, i) => {
      const known =
        (group === '' && kind === 'Service') || (group === 'gateway.networking.k8s.io' && kind === 'Gateway');
      if (known) return [{ namespace, target: `${kind}/${name}` }];
      // Nothing is known of what it would protect, so all of the namespace is taken.
      const hint = 'use a Service or a Gateway, or a selector; until then the policy is for all of its namespace';
      problems.push(notSupported(input, `spec.targetRefs[${i}]`, `the kind ${kind} as a target`, hint));
      return [{ namespace }];
    });
  }
  const labels = spec.selector?.matchLabels;
  const narrowed = labels && Object.keys(labels).length > 0 ? { labels } : {};
  return [namespace === rootNamespace ? narrowed : { namespace, ...narrowed }];
};

interface RuleContext {
  readonly input: Input<AuthorizationPolicySpec>;
  readonly action: 'ALLOW' | 'DENY';
  readonly options: PolicyOptions;
  readonly problems: Problem[];
}

/** Undefined for an ALLOW rule that can never match. */
const compileRule = (rule: PolicyRuleSpec, path: string, context: RuleContext): PolicyRule | undefined => {
  const from = compileList(rule.from, (entry, i) =>
    compileSource(entry.source ?? {}, `${path}.from[${i}].source`, context),
  );
  const to = compileList(rule.to, (entry) => compileOperation(entry.operation ?? {}));
  const when = (rule.when ?? []).map((entry, i) => compileCondition(entry, `${path}.when[${i}]`, context));
  if (!from || !to || when.includes(undefined)) return undefined;
  return { from, to, when: when.filter((condition) => condition !== undefined && condition !== 'any') };
};

/** Entries that can never match are left out; undefined when none is left of some. */
const compileList = <In, Out>(
  entries: readonly In[] | undefined,
  compile: (entry: In, index: number) => Out | undefined,
): Out[] | undefined => {
  if (!entries?.length) return [];
  const compiled = entries.map(compile).filter((entry) => entry !== undefined);
  return compiled.length > 0 ? compiled : undefined;
};

const refuse = ({ input, action, problems }: RuleContext, path: string, what: string): void => {
  const meanwhile =
    action === 'ALLOW' ? 'until it is, this part never matches' : 'until it is, the rule denies as if it matched';
  problems.push(notSupported(input, path, what, meanwhile));
};

const compileSource = (source: SourceSpec, path: string, context: RuleContext): SourceMatch | undefined => {
  if (source.requestPrincipals || source.notRequestPrincipals) {
    refuse(context, `${path}.requestPrincipals`, 'an identity from a token');
    if (context.action === 'ALLOW') return undefined;
  }
  const { trustDomain } = context.options;
  const principal = (value: string) => parseMatch(localTrustDomain(value, trustDomain));
  const account = (value: string): StringMatch => {
    const [namespace, name] = value.includes('/') ? value.split('/', 2) : [context.input.namespace, value];
    return { type: 'exact', value: `${trustDomain}/ns/${namespace}/sa/${name}` };
  };
  return present<SourceMatch>({
    principals:
      field(source.principals, source.notPrincipals, principal) ??
      field(source.serviceAccounts, source.notServiceAccounts, account),
    namespaces: text(source.namespaces, source.notNamespaces),
    ipBlocks: field(source.ipBlocks, source.notIpBlocks, String),
    remoteIpBlocks: field(source.remoteIpBlocks, source.notRemoteIpBlocks, String),
  });
};

/** As in Istio, `cluster.local` in a policy stands for the mesh's own trust domain. */
const localTrustDomain = (principal: string, trustDomain: string): string =>
  principal.startsWith('cluster.local/') ? `${trustDomain}${principal.slice('cluster.local'.length)}` : principal;

const compileOperation = (operation: OperationSpec): OperationMatch =>
  present<OperationMatch>({
    hosts: text(operation.hosts, operation.notHosts),
    ports: field(operation.ports, operation.notPorts, Number),
    methods: text(operation.methods, operation.notMethods),
    paths: text(operation.paths, operation.notPaths),
  });

const KEYS = new Set([
  'source.ip',
  'source.namespace',
  'source.principal',
  'remote.ip',
  'destination.ip',
  'destination.port',
  'connection.sni',
]);

/** `any`: the condition is dropped, as if it held; undefined: it can never hold. */
const compileCondition = (
  { key, values, notValues }: ConditionSpec,
  path: string,
  context: RuleContext,
): ConditionMatch | 'any' | undefined => {
  if (!KEYS.has(key) && !/^request\.headers\[.+\]$/.test(key)) {
    refuse(context, `${path}.key`, `"${key}"`);
    return context.action === 'ALLOW' ? undefined : 'any';
  }
  const own = (value: string) =>
    key === 'source.principal' ? localTrustDomain(value, context.options.trustDomain) : value;
  const match = field(values, notValues, (value) => parseMatch(own(value)));
  return match ? { key: key.startsWith('request.headers') ? key.toLowerCase() : key, values: match } : 'any';
};

/** Targets that do not exist: the policy protects nothing then, which is seldom meant. */
export const danglingTargets = (
  input: Input<AuthorizationPolicySpec>,
  { policies }: CompiledPolicy,
  exists: (target: string) => boolean,
): Problem[] =>
  policies
    .map(({ scope }) => scope.target)
    .filter((target) => target !== undefined && !exists(`${input.namespace}/${target}`))
    .map((target) => {
      const message = `the target ${target} does not exist in namespace ${input.namespace}`;
      return warning(problemOf(input, 'TARGET_NOT_FOUND', message, { path: 'spec.targetRefs' }));
    });
