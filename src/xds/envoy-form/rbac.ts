// AuthorizationPolicies as Envoy's RBAC filters, for HTTP and for TCP: DENY first, then ALLOW. Same meaning as policy/.
// Policies are named as Istio names them, so that access logs say which one decided.
import type { Any } from '@bufbuild/protobuf/wkt';
import { RBAC_Action as Action, type RBAC_Action, type RBACSchema } from '../../gen/envoy/config/rbac/v3/rbac_pb.js';
import {
  RBACSchema as HttpRbacSchema,
  RBACPerRouteSchema,
} from '../../gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { RBACSchema as TcpRbacSchema } from '../../gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import type {
  AuthorizationPolicy,
  ConditionMatch,
  FieldMatch,
  OperationMatch,
  PolicyRule,
  SourceMatch,
  StringMatch,
} from '../../model/policy.ts';
import { configured, type Init, pack } from './message.ts';
import {
  cidrRange,
  constantOf,
  fieldOf,
  headerPermission,
  namespaceName,
  type Permission,
  type Principal,
  pathPermission,
  permissions,
  principalName,
  principals,
  sniPermission,
} from './rbac-match.ts';

export interface RbacScope {
  readonly protocol: 'http' | 'tcp';
  /** The port that policies speak of: known here, while Envoy only knows where the connection came in. */
  readonly port: number;
}

const HEADER_KEY = /^request\.headers\[([^\]]+)\]$/;

const direct = (text: string): Principal => ({ identifier: { case: 'directRemoteIp', value: cidrRange(text) } });
const remote = (text: string): Principal => ({ identifier: { case: 'remoteIp', value: cidrRange(text) } });
const localIp = (text: string): Permission => ({ rule: { case: 'destinationIp', value: cidrRange(text) } });

const sourceOf = ({ principals: names, namespaces, ipBlocks, remoteIpBlocks }: SourceMatch): Principal => {
  const parts: Principal[] = [];
  if (names) parts.push(fieldOf(principals, names, principalName));
  if (namespaces) parts.push(fieldOf(principals, namespaces, namespaceName));
  if (ipBlocks) parts.push(fieldOf(principals, ipBlocks, direct));
  if (remoteIpBlocks) parts.push(fieldOf(principals, remoteIpBlocks, remote));
  return parts.length > 0 ? principals.and(parts) : principals.any;
};

const portHolds = ({ any, none }: FieldMatch<number>, port: number): boolean =>
  (any.length === 0 || any.includes(port)) && !none.includes(port);

const hostOf = (match: StringMatch) => headerPermission(':authority', match, true);

const operationOf = ({ hosts, ports, methods, paths }: OperationMatch, scope: RbacScope): Permission => {
  const parts: Permission[] = [];
  if (ports) parts.push(constantOf(permissions, portHolds(ports, scope.port)));
  if (scope.protocol === 'http') {
    if (hosts) parts.push(fieldOf(permissions, hosts, hostOf));
    if (methods) parts.push(fieldOf(permissions, methods, (match) => headerPermission(':method', match)));
    if (paths) parts.push(fieldOf(permissions, paths, pathPermission));
  }
  return parts.length > 0 ? permissions.and(parts) : permissions.any;
};

/** Values of addresses and ports are written out; wildcards mean nothing there. */
const textsOf = ({ any, none }: FieldMatch): FieldMatch<string> => {
  const texts = (list: readonly StringMatch[]) =>
    list.flatMap((match) => (match.type === 'exact' ? [match.value] : []));
  return { any: texts(any), none: texts(none) };
};

const conditionPrincipal = ({ key, values }: ConditionMatch): Principal | undefined => {
  switch (key) {
    case 'source.ip':
      return fieldOf(principals, textsOf(values), direct);
    case 'remote.ip':
      return fieldOf(principals, textsOf(values), remote);
    case 'source.namespace':
      return fieldOf(principals, values, namespaceName);
    case 'source.principal':
      return fieldOf(principals, values, principalName);
  }
  return undefined;
};

const headerCondition = (name: string, values: FieldMatch): Permission => {
  if (name === 'host' || name === ':authority') return fieldOf(permissions, values, hostOf);
  return fieldOf(permissions, values, (match) => headerPermission(name, match));
};

const conditionPermission = ({ key, values }: ConditionMatch, scope: RbacScope): Permission | undefined => {
  const header = HEADER_KEY.exec(key)?.[1];
  if (header !== undefined) return headerCondition(header.toLowerCase(), values);
  switch (key) {
    case 'destination.ip':
      return fieldOf(permissions, textsOf(values), localIp);
    case 'destination.port': {
      const { any, none } = textsOf(values);
      return constantOf(permissions, portHolds({ any: any.map(Number), none: none.map(Number) }, scope.port));
    }
    case 'connection.sni':
      return fieldOf(permissions, values, sniPermission);
  }
  return undefined;
};

const isHttpKey = (key: string): boolean => key.startsWith('request.');

const asksForHttp = (rule: PolicyRule): boolean =>
  rule.to.some((operation) => operation.hosts || operation.methods || operation.paths) ||
  rule.when.some((condition) => isHttpKey(condition.key));

const ruleOf = (rule: PolicyRule, action: AuthorizationPolicy['action'], scope: RbacScope) => {
  const isTcp = scope.protocol === 'tcp';
  // On TCP, what asks for HTTP allows nothing, and denies as if it did not ask: as in policy/rule.
  if (isTcp && action === 'ALLOW' && asksForHttp(rule)) return undefined;
  const when = isTcp ? rule.when.filter((condition) => !isHttpKey(condition.key)) : rule.when;
  const from = when.map(conditionPrincipal).filter((part) => part !== undefined);
  const to = when.map((condition) => conditionPermission(condition, scope)).filter((part) => part !== undefined);
  // A condition that can't be expressed must not widen an ALLOW, nor be skipped in a DENY: compile lets none through.
  if (from.length + to.length < when.length && action === 'ALLOW') return undefined;
  const sources = rule.from.length > 0 ? rule.from.map(sourceOf) : [principals.any];
  const operations = rule.to.length > 0 ? rule.to.map((part) => operationOf(part, scope)) : [permissions.any];
  return {
    principals: sources.map((source) => (from.length > 0 ? principals.and([source, ...from]) : source)),
    permissions: operations.map((operation) => (to.length > 0 ? permissions.and([operation, ...to]) : operation)),
  };
};

const istioName = (policy: AuthorizationPolicy, rule: number): string => {
  const slash = policy.name.indexOf('/');
  return `ns[${policy.name.slice(0, slash)}]-policy[${policy.name.slice(slash + 1)}]-rule[${rule}]`;
};

const rulesOf = (
  policies: readonly AuthorizationPolicy[],
  action: RBAC_Action,
  scope: RbacScope,
): Init<typeof RBACSchema> => {
  const rules: Record<string, NonNullable<ReturnType<typeof ruleOf>>> = {};
  for (const policy of policies) {
    policy.rules.forEach((rule, i) => {
      const encoded = ruleOf(rule, policy.action, scope);
      if (encoded) rules[istioName(policy, i)] = encoded;
    });
  }
  return { action, policies: rules };
};

/** One filter for each action in force. An ALLOW filter without rules denies everything, as it must. */
const actionsOf = (policies: readonly AuthorizationPolicy[], scope: RbacScope): Init<typeof RBACSchema>[] => {
  const deny = policies.filter((policy) => policy.action === 'DENY');
  const allow = policies.filter((policy) => policy.action === 'ALLOW');
  return [
    ...(deny.length > 0 ? [rulesOf(deny, Action.DENY, scope)] : []),
    ...(allow.length > 0 ? [rulesOf(allow, Action.ALLOW, scope)] : []),
  ];
};

const HTTP_FILTERS = [
  ['weft.rbac.deny', Action.DENY],
  ['weft.rbac.allow', Action.ALLOW],
] as const;

/**
 * The places of the HTTP policies, without any. The policies come with the routes, so that an edit holds at once on
 * every connection: another filter chain would be for new connections only.
 */
export const httpRbac = () => HTTP_FILTERS.map(([name]) => configured(name, HttpRbacSchema, {}));

/** The policies, for the routes behind the filters of httpRbac. */
export const httpRbacOfRoutes = (policies: readonly AuthorizationPolicy[], port: number): Record<string, Any> => {
  const inForce = new Map(actionsOf(policies, { protocol: 'http', port }).map((rules) => [rules.action, rules]));
  return Object.fromEntries(
    HTTP_FILTERS.flatMap(([name, action]) => {
      const rules = inForce.get(action);
      return rules ? [[name, pack(RBACPerRouteSchema, { rbac: { rules } })]] : [];
    }),
  );
};

export const tcpRbac = (policies: readonly AuthorizationPolicy[], port: number, statPrefix: string) =>
  actionsOf(policies, { protocol: 'tcp', port }).map((rules) =>
    configured('envoy.filters.network.rbac', TcpRbacSchema, { rules, statPrefix }),
  );
