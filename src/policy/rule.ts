// Compiles one rule of an AuthorizationPolicy into a test of the facts of a request or connection, in Istio's meaning.
// Called by policy/authorization at config time.
import { WeftError } from '../lib/errors.ts';
import type { RequestHead } from '../model/http.ts';
import type { Identity } from '../model/identity.ts';
import type {
  AuthorizationPolicy,
  ConditionMatch,
  FieldMatch,
  OperationMatch,
  PolicyRule,
  SourceMatch,
} from '../model/policy.ts';
import {
  addressOf,
  lowerCased,
  prepareAddresses,
  prepareManyStrings,
  prepareNumbers,
  prepareStrings,
} from './field-test.ts';
import { normalizePath } from './path.ts';

/** What is known of a request or a connection when it is decided. */
export interface Facts {
  /** Proven by mutual TLS; undefined where nothing was. */
  readonly identity: Identity | undefined;
  /** Address of the direct peer, without port. */
  readonly peerAddress: string;
  /** Address of the original client, as the proxy trusts x-forwarded-for; else that of the peer. */
  readonly remoteAddress: string;
  /** Address at which the connection came in. */
  readonly localAddress: string;
  /** The port that the workload's program listens on; at a gateway the listener's. */
  readonly localPort: number;
  readonly sni: string | undefined;
  /** Absent for connections. Its path is in normal form, or is brought into it for the decision. */
  readonly head?: RequestHead | undefined;
}

export type FactsTest = (facts: Facts) => boolean;

interface Scope {
  readonly protocol: 'http' | 'tcp';
  readonly policy: AuthorizationPolicy;
}

const allOf = (tests: readonly FactsTest[]): FactsTest => {
  const [first, second] = tests;
  if (!first) return () => true;
  if (!second) return first;
  if (tests.length === 2) return (facts) => first(facts) && second(facts);
  return (facts) => tests.every((test) => test(facts));
};

/** An empty list asks for nothing. */
const anyOf = (tests: readonly FactsTest[]): FactsTest | undefined => {
  const [first] = tests;
  if (tests.length < 2) return first;
  return (facts) => tests.some((test) => test(facts));
};

const principalOf = ({ identity }: Facts): string | undefined =>
  identity && `${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`;

const namespaceOf = ({ identity }: Facts): string | undefined => identity?.namespace;

const stringsOf = (field: FieldMatch, read: (facts: Facts) => string | undefined): FactsTest => {
  const holds = prepareStrings(field);
  return (facts) => holds(read(facts));
};

const addressesOf = (field: FieldMatch<string>, policy: string, read: (facts: Facts) => string): FactsTest => {
  const holds = prepareAddresses(field, policy);
  return (facts) => holds(addressOf(read(facts)));
};

const prepareSource = (source: SourceMatch, { policy }: Scope): FactsTest => {
  const tests: FactsTest[] = [];
  const { principals, namespaces, ipBlocks, remoteIpBlocks } = source;
  if (principals) tests.push(stringsOf(principals, principalOf));
  if (namespaces) tests.push(stringsOf(namespaces, namespaceOf));
  if (ipBlocks) tests.push(addressesOf(ipBlocks, policy.name, (facts) => facts.peerAddress));
  if (remoteIpBlocks) tests.push(addressesOf(remoteIpBlocks, policy.name, (facts) => facts.remoteAddress));
  return allOf(tests);
};

/** The path that a decision is about. One that has no normal form is as good as unknown: see `hasUsablePath`. */
const pathOf = ({ head }: Facts): string | undefined => head && normalizePath(head.path);

/** False for a path that must be refused before any policy is asked; then every decision is deny. */
export const hasUsablePath = (facts: Facts): boolean => !facts.head || normalizePath(facts.head.path) !== undefined;

const prepareOperation = (operation: OperationMatch, { protocol }: Scope): FactsTest => {
  const tests: FactsTest[] = [];
  const { hosts, ports, methods, paths } = operation;
  if (ports) {
    const holds = prepareNumbers(ports);
    tests.push((facts) => holds(facts.localPort));
  }
  if (protocol === 'http') {
    if (methods) tests.push(stringsOf(methods, (facts) => facts.head?.method));
    if (hosts) tests.push(stringsOf(lowerCased(hosts), (facts) => facts.head?.host));
    if (paths) tests.push(stringsOf(paths, pathOf));
  }
  return allOf(tests);
};

const HEADER_KEY = /^request\.headers\[([^\]]+)\]$/;

const isHttpKey = (key: string): boolean => key.startsWith('request.');

const valuesOfHeader = (head: RequestHead | undefined, name: string): readonly string[] => {
  const values: string[] = [];
  const headers = head?.headers ?? [];
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) values.push(headers[i + 1]!);
  return values;
};

const prepareHeader = (name: string, field: FieldMatch): FactsTest => {
  if (name === 'host' || name === ':authority') return stringsOf(lowerCased(field), (facts) => facts.head?.host);
  if (name === ':method') return stringsOf(field, (facts) => facts.head?.method);
  const holds = prepareManyStrings(field);
  return (facts) => holds(valuesOfHeader(facts.head, name));
};

const unusable = (policy: AuthorizationPolicy, what: string): WeftError =>
  new WeftError('POLICY_INVALID', `AuthorizationPolicy ${policy.name} has a condition that is not supported: ${what}`, {
    hint: 'use source.*, destination.*, remote.ip, connection.sni or request.headers[…]',
  });

/** Keys whose values are addresses or ports have them as exact strings. */
const exactTexts = ({ key, values }: ConditionMatch, policy: AuthorizationPolicy): FieldMatch<string> => {
  const texts = (list: FieldMatch['any']) =>
    list.map((match) => {
      if (match.type === 'exact') return match.value;
      throw unusable(policy, `${key} takes no wildcards`);
    });
  return { any: texts(values.any), none: texts(values.none) };
};

const portNumbers = (condition: ConditionMatch, policy: AuthorizationPolicy): FieldMatch<number> => {
  const { any, none } = exactTexts(condition, policy);
  const toPort = (text: string) => {
    if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
    throw unusable(policy, `"${text}" is no port`);
  };
  return { any: any.map(toPort), none: none.map(toPort) };
};

const prepareCondition = (condition: ConditionMatch, { policy }: Scope): FactsTest => {
  const { key, values } = condition;
  const header = HEADER_KEY.exec(key)?.[1];
  if (header !== undefined) return prepareHeader(header.toLowerCase(), values);
  const addresses = (read: (facts: Facts) => string) => addressesOf(exactTexts(condition, policy), policy.name, read);
  switch (key) {
    case 'source.ip':
      return addresses((facts) => facts.peerAddress);
    case 'remote.ip':
      return addresses((facts) => facts.remoteAddress);
    case 'destination.ip':
      return addresses((facts) => facts.localAddress);
    case 'source.namespace':
      return stringsOf(values, namespaceOf);
    case 'source.principal':
      return stringsOf(values, principalOf);
    case 'connection.sni':
      return stringsOf(values, (facts) => facts.sni);
    case 'destination.port': {
      const holds = prepareNumbers(portNumbers(condition, policy));
      return (facts) => holds(facts.localPort);
    }
  }
  throw unusable(policy, key);
};

const asksForHttp = (rule: PolicyRule): boolean =>
  rule.to.some((operation) => operation.hosts || operation.methods || operation.paths) ||
  rule.when.some((condition) => isHttpKey(condition.key));

/**
 * Undefined for a rule that can't hold. On TCP an ALLOW rule that asks for anything of HTTP allows nothing, while a
 * DENY rule has such fields left out and denies the more, as in Istio; the Envoy form must do the same.
 * Throws POLICY_INVALID for what can't be used: half a policy must not be enforced.
 */
export const prepareRule = (rule: PolicyRule, scope: Scope): FactsTest | undefined => {
  const isTcp = scope.protocol === 'tcp';
  if (isTcp && scope.policy.action === 'ALLOW' && asksForHttp(rule)) return undefined;
  const when = isTcp ? rule.when.filter((condition) => !isHttpKey(condition.key)) : rule.when;
  const from = anyOf(rule.from.map((source) => prepareSource(source, scope)));
  const to = anyOf(rule.to.map((operation) => prepareOperation(operation, scope)));
  const tests = [...(to ? [to] : []), ...(from ? [from] : []), ...when.map((item) => prepareCondition(item, scope))];
  return allOf(tests);
};
