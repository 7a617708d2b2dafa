// The rules for an AuthorizationPolicy that its schema can't say.
import { isIP } from 'node:net';
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import { checkSelector } from '../peer-authentication/schema.ts';
import { invalidField } from '../problems.ts';
import { specOf } from '../schema.ts';
import type { AuthorizationPolicySpec, OperationSpec, PolicyRuleSpec, SourceSpec } from './types.ts';

type Check = (path: string, message: string, hint?: string) => void;

export const validateAuthorizationPolicy = (resource: Resource): Problem[] => {
  const spec = specOf<AuthorizationPolicySpec>(resource);
  const found = checkSelector(resource, spec.selector?.matchLabels);
  const check: Check = (path, message, hint) => found.push(invalidField(resource, path, message, hint));
  if ([spec.selector, spec.targetRef, spec.targetRefs].filter((given) => given !== undefined).length > 1) {
    check('spec', 'only one of selector, targetRef and targetRefs can be set');
  }
  const targets = spec.targetRefs ?? (spec.targetRef ? [spec.targetRef] : []);
  if (targets.some(({ namespace }) => namespace)) {
    check('spec.targetRefs', 'a target must be in the namespace of the policy');
  }
  if (spec.provider && spec.action !== 'CUSTOM') check('spec.provider', 'can be set for action CUSTOM only');
  for (const [i, rule] of (spec.rules ?? []).entries()) checkRule(rule, `spec.rules[${i}]`, check);
  return found;
};

const checkRule = (rule: PolicyRuleSpec, path: string, check: Check): void => {
  for (const [i, { source }] of (rule.from ?? []).entries()) checkSource(source, `${path}.from[${i}]`, check);
  for (const [i, { operation }] of (rule.to ?? []).entries()) checkOperation(operation, `${path}.to[${i}]`, check);
  rule.when?.forEach(({ key, values, notValues }, i) => {
    const at = `${path}.when[${i}]`;
    if (!values?.length && !notValues?.length) check(at, 'needs values or notValues');
    if (key.startsWith('request.headers') && !/^request\.headers\[[^[\]\s]+\]$/.test(key)) {
      check(`${at}.key`, `"${key}" must be of the form request.headers[name]`);
    }
    if (['source.ip', 'remote.ip', 'destination.ip'].includes(key))
      checkBlocks([...(values ?? []), ...(notValues ?? [])], at, check);
    if (key === 'destination.port') checkPorts([...(values ?? []), ...(notValues ?? [])], at, check);
  });
};

const checkSource = (source: SourceSpec | undefined, path: string, check: Check): void => {
  // A source without any field would match all; Istio refuses it, because that is seldom meant.
  if (!source || !Object.values(source).some((values) => values?.length)) {
    check(`${path}.source`, 'needs at least one field', 'leave "from" out to match any caller');
    return;
  }
  for (const [field, values] of Object.entries(source)) {
    if (values?.includes('')) check(`${path}.source.${field}`, 'has an empty value');
    if (values?.length === 0) check(`${path}.source.${field}`, 'is an empty list', 'remove the field');
  }
  const accounts = source.serviceAccounts ?? source.notServiceAccounts;
  if (accounts && (source.principals ?? source.notPrincipals ?? source.namespaces ?? source.notNamespaces)) {
    check(`${path}.source`, 'serviceAccounts must not stand beside principals or namespaces');
  }
  for (const value of [...(source.serviceAccounts ?? []), ...(source.notServiceAccounts ?? [])]) {
    if (!/^([a-z0-9-]+\/)?[a-z0-9.-]+$/.test(value)) {
      check(`${path}.source.serviceAccounts`, `"${value}" is not of the form namespace/name`);
    }
  }
  const { ipBlocks = [], notIpBlocks = [], remoteIpBlocks = [], notRemoteIpBlocks = [] } = source;
  checkBlocks([...ipBlocks, ...notIpBlocks, ...remoteIpBlocks, ...notRemoteIpBlocks], `${path}.source`, check);
};

const checkOperation = (operation: OperationSpec | undefined, path: string, check: Check): void => {
  if (!operation || !Object.values(operation).some((values) => values?.length)) {
    check(`${path}.operation`, 'needs at least one field', 'leave "to" out to match any request');
    return;
  }
  for (const [field, values] of Object.entries(operation)) {
    if (values?.includes('')) check(`${path}.operation.${field}`, 'has an empty value');
    if (values?.length === 0) check(`${path}.operation.${field}`, 'is an empty list', 'remove the field');
    for (const value of field === 'paths' || field === 'notPaths' ? values : []) {
      if (/[{}]/.test(value)) {
        check(
          `${path}.operation.${field}`,
          `"${value}": templates are not supported`,
          'use an exact path, a prefix* or a *suffix',
        );
      }
    }
  }
  checkPorts([...(operation.ports ?? []), ...(operation.notPorts ?? [])], `${path}.operation`, check);
};

const checkPorts = (values: readonly string[], path: string, check: Check): void => {
  for (const value of values) {
    if (!/^[0-9]{1,5}$/.test(value) || Number(value) < 1 || Number(value) > 65535)
      check(path, `"${value}" is not a port`);
  }
};

const checkBlocks = (values: readonly string[], path: string, check: Check): void => {
  for (const value of values) {
    const [address = '', bits, ...more] = value.split('/');
    const family = isIP(address);
    const limit = family === 6 ? 128 : 32;
    const fine =
      family > 0 && more.length === 0 && (bits === undefined || (/^[0-9]{1,3}$/.test(bits) && Number(bits) <= limit));
    if (!fine) check(path, `"${value}" is not an address or a CIDR block`);
  }
};
