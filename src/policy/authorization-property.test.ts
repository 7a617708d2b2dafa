// Random policies and requests: the compiled decision must equal that of an evaluator written straight from the words.
import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import type {
  AuthorizationPolicy,
  FieldMatch,
  OperationMatch,
  PolicyRule,
  SourceMatch,
  StringMatch,
} from '../model/policy.ts';
import { type Facts, prepareAuthorization } from './authorization.ts';

let seed = 42;
const random = (n: number): number => {
  seed = (seed * 1103515245 + 12345) % 2 ** 31;
  return (seed >> 8) % n;
};
const oneOf = <T>(list: readonly T[]): T => list[random(list.length)]!;
const some = <T>(make: () => T, max: number): T[] => Array.from({ length: random(max + 1) }, make);
const maybe = <T>(key: string, make: () => T) => (random(3) === 0 ? { [key]: make() } : {});

const namespaces = ['shop', 'default', 'ops'];
const accounts = ['web', 'web-admin', 'batch'];
const paths = ['/', '/a', '/a/b', '/b'];
const hosts = ['web', 'web:80', 'api.test'];
const cidrs = ['10.0.0.0/8', '10.1.0.0/16', '127.0.0.1/32', '0.0.0.0/0'];
const addresses = ['10.0.0.1', '10.1.0.1', '127.0.0.1', '192.168.0.1'];
const principals = namespaces.flatMap((ns) => accounts.map((sa) => `td/ns/${ns}/sa/${sa}`));

const stringMatch = (values: readonly string[]) => (): StringMatch => {
  const value = oneOf(values);
  const cut = 1 + random(value.length);
  return oneOf<StringMatch>([
    { type: 'exact', value },
    { type: 'prefix', value: value.slice(0, cut) },
    { type: 'suffix', value: value.slice(-cut) },
    { type: 'present' },
  ]);
};
const field =
  <T>(make: () => T) =>
  (): FieldMatch<T> => ({ any: some(make, 2), none: some(make, 1) });
const strings = (values: readonly string[]) => field(stringMatch(values));

const source = (): SourceMatch => ({
  ...maybe('principals', strings(principals)),
  ...maybe('namespaces', strings(namespaces)),
  ...maybe(
    'ipBlocks',
    field(() => oneOf(cidrs)),
  ),
  ...maybe(
    'remoteIpBlocks',
    field(() => oneOf(cidrs)),
  ),
});
const operation = (): OperationMatch => ({
  ...maybe('hosts', strings(hosts)),
  ...maybe(
    'ports',
    field(() => oneOf([80, 81])),
  ),
  ...maybe('methods', strings(['GET', 'POST'])),
  ...maybe('paths', strings(paths)),
});
const rule = (): PolicyRule => ({
  from: some(source, 2),
  to: some(operation, 2),
  when: some(() => ({ key: 'request.headers[x]', values: strings(['1', '12'])() }), 1),
});
const policy = (): AuthorizationPolicy => ({
  name: `ns/p${random(9)}`,
  action: oneOf(['ALLOW', 'DENY']),
  rules: some(rule, 2),
});
const facts = (protocol: string): Facts => ({
  identity: random(4)
    ? { trustDomain: 'td', namespace: oneOf(namespaces), serviceAccount: oneOf(accounts) }
    : undefined,
  peerAddress: oneOf(addresses),
  remoteAddress: oneOf(addresses),
  localAddress: '127.0.0.1',
  localPort: oneOf([80, 81, 82]),
  sni: undefined,
  head:
    protocol === 'tcp'
      ? undefined
      : {
          method: oneOf(['GET', 'POST']),
          path: oneOf(paths),
          query: '',
          host: oneOf(hosts),
          headers: random(2) ? ['x', oneOf(['1', '12', ''])] : [],
        },
});

const holds = (match: StringMatch, value: string | undefined): boolean => {
  if (value === undefined) return false;
  if (match.type === 'present') return value.length > 0;
  if (match.type === 'prefix') return value.startsWith(match.value);
  return match.type === 'suffix' ? value.endsWith(match.value) : value === match.value;
};
const fits = <T>(wanted: FieldMatch<T> | undefined, one: (item: T) => boolean): boolean =>
  !wanted || ((wanted.any.length === 0 || wanted.any.some(one)) && !wanted.none.some(one));
const inBlock = (address: string) => (cidr: string) => {
  const list = new BlockList();
  const [base, bits] = cidr.split('/');
  list.addSubnet(base!, Number(bits), 'ipv4');
  return list.check(address, 'ipv4');
};

const naiveRule = (r: PolicyRule, f: Facts, action: string, isTcp: boolean): boolean => {
  const http = r.to.some((o) => o.hosts || o.methods || o.paths) || r.when.length > 0;
  if (isTcp && http && action === 'ALLOW') return false;
  const id = f.identity && `td/ns/${f.identity.namespace}/sa/${f.identity.serviceAccount}`;
  const from = r.from.some(
    (s) =>
      fits(s.principals, (m) => holds(m, id)) &&
      fits(s.namespaces, (m) => holds(m, f.identity?.namespace)) &&
      fits(s.ipBlocks, inBlock(f.peerAddress)) &&
      fits(s.remoteIpBlocks, inBlock(f.remoteAddress)),
  );
  const to = r.to.some(
    (o) =>
      fits(o.ports, (port) => port === f.localPort) &&
      (isTcp ||
        (fits(o.hosts, (m) => holds(m, f.head?.host)) &&
          fits(o.methods, (m) => holds(m, f.head?.method)) &&
          fits(o.paths, (m) => holds(m, f.head?.path)))),
  );
  const when = r.when.every((w) => isTcp || fits(w.values, (m) => holds(m, f.head?.headers[1])));
  return (r.from.length === 0 || from) && (r.to.length === 0 || to) && when;
};

const naive = (policies: readonly AuthorizationPolicy[], f: Facts, isTcp: boolean): string => {
  const matches = (p: AuthorizationPolicy) => p.rules.some((r) => naiveRule(r, f, p.action, isTcp));
  if (policies.some((p) => p.action === 'DENY' && matches(p))) return 'deny';
  const allow = policies.filter((p) => p.action === 'ALLOW');
  return allow.length === 0 || allow.some(matches) ? 'allow' : 'deny';
};

for (const protocol of ['http', 'tcp'] as const) {
  test(`agrees with the naive evaluator: ${protocol}`, () => {
    const seen = { allow: 0, deny: 0 };
    for (let i = 0; i < 600; i++) {
      const policies = some(policy, 3);
      const decide = prepareAuthorization(policies, protocol);
      for (let k = 0; k < 6; k++) {
        const f = facts(protocol);
        const { verdict } = decide(f);
        seen[verdict]++;
        assert.equal(verdict, naive(policies, f, protocol === 'tcp'), JSON.stringify({ policies, f }));
      }
    }
    assert.ok(seen.allow > 300 && seen.deny > 300, 'both verdicts come up often');
  });
}
