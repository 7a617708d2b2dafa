import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpiffeId } from '../model/identity.ts';
import type { AuthorizationPolicy, FieldMatch, PolicyRule, StringMatch } from '../model/policy.ts';
import { type Facts, prepareAuthorization } from './authorization.ts';

const exact = (...values: string[]): FieldMatch => ({
  any: values.map((value) => ({ type: 'exact', value })),
  none: [],
});
const not = (...values: string[]): FieldMatch => ({ any: [], none: values.map((value) => ({ type: 'exact', value })) });
const matching = (...any: StringMatch[]): FieldMatch => ({ any, none: [] });
const blocks = (...any: string[]): FieldMatch<string> => ({ any, none: [] });
const rule = (parts: Partial<PolicyRule>): PolicyRule => ({ from: [], to: [], when: [], ...parts });
const allow = (name: string, ...rules: PolicyRule[]): AuthorizationPolicy => ({ name, action: 'ALLOW', rules });
const deny = (name: string, ...rules: PolicyRule[]): AuthorizationPolicy => ({ name, action: 'DENY', rules });

const orders = 'spiffe://cluster.local/ns/shop/sa/orders';
const request = (method: string, path: string, headers: string[] = [], host = 'payments:9080'): Facts => ({
  identity: parseSpiffeId(orders),
  peerAddress: '127.0.0.1',
  remoteAddress: '10.1.2.3',
  localAddress: '127.0.0.9',
  localPort: 9080,
  sni: 'outbound_.9080_._.payments.shop.svc.cluster.local',
  head: { method, path, query: 'a=/admin', host, headers },
});
const connection = (facts: Partial<Facts> = {}): Facts => ({ ...request('', ''), head: undefined, ...facts });
const get = request('GET', '/api/orders');

interface Case {
  policies: AuthorizationPolicy[];
  /** With the policies that must be named. */
  allows?: Facts[];
  denies?: Facts[];
  names?: string[];
  tcp?: boolean;
}

const cases: Record<string, Case> = {
  'no policy allows all': { policies: [], allows: [get], names: [] },
  'an ALLOW without rules denies all, and is named': {
    policies: [allow('weft-system/default-deny')],
    denies: [get],
    names: ['weft-system/default-deny'],
  },
  'an empty rule matches all': { policies: [allow('a/all', rule({}))], allows: [get], names: ['a/all'] },
  'a DENY without rules denies nothing': { policies: [deny('a/none')], allows: [get], names: [] },
  'DENY goes before ALLOW, whatever their order': {
    policies: [allow('a/all', rule({})), deny('a/no', rule({}))],
    denies: [get],
    names: ['a/no'],
  },
  'one of several ALLOW policies is enough': {
    policies: [allow('m/none'), allow('a/get', rule({ to: [{ methods: exact('GET') }] }))],
    allows: [get],
    names: ['a/get'],
  },
  'when none matches, all ALLOW policies in force are named': {
    policies: [allow('m/none'), allow('a/post', rule({ to: [{ methods: exact('POST') }] })), deny('a/x')],
    denies: [get],
    names: ['m/none', 'a/post'],
  },
  'methods are case-sensitive': {
    policies: [allow('a/m', rule({ to: [{ methods: exact('get') }] }))],
    denies: [get],
  },
  'fields of one operation must all match, values of a field any': {
    policies: [allow('a/m', rule({ to: [{ methods: exact('GET', 'HEAD'), paths: exact('/a', '/b') }] }))],
    allows: [request('GET', '/b'), request('HEAD', '/a')],
    denies: [request('GET', '/c'), request('POST', '/a')],
  },
  'one of several operations is enough': {
    policies: [allow('a/m', rule({ to: [{ methods: exact('GET') }, { paths: exact('/open') }] }))],
    allows: [get, request('POST', '/open')],
    denies: [request('POST', '/x')],
  },
  'from, to and when must all match': {
    policies: [
      allow(
        'a/m',
        rule({
          from: [{ namespaces: exact('shop') }],
          to: [{ ports: { any: [9080], none: [] } }],
          when: [{ key: 'request.headers[x-Role]', values: exact('admin') }],
        }),
      ),
    ],
    allows: [request('GET', '/', ['x-role', 'admin'])],
    denies: [
      get,
      { ...request('GET', '/', ['x-role', 'admin']), localPort: 9081 },
      { ...request('GET', '/', ['x-role', 'admin']), identity: undefined },
    ],
  },
  'principals by exact value, prefix, suffix and presence': {
    policies: [
      deny('a/exact', rule({ from: [{ principals: exact('cluster.local/ns/shop/sa/bad') }] })),
      allow(
        'a/prefix',
        rule({ from: [{ principals: matching({ type: 'prefix', value: 'cluster.local/ns/shop/' }) }] }),
      ),
    ],
    allows: [get],
    denies: [
      { ...get, identity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/bad') },
      { ...get, identity: parseSpiffeId('spiffe://other.domain/ns/shop/sa/orders') },
      { ...get, identity: undefined },
    ],
  },
  'presence asks for any identity': {
    policies: [allow('a/any', rule({ from: [{ principals: matching({ type: 'present' }) }] }))],
    allows: [get],
    denies: [{ ...get, identity: undefined }],
  },
  suffixes: {
    policies: [allow('a/s', rule({ from: [{ principals: matching({ type: 'suffix', value: '/sa/orders' }) }] }))],
    allows: [get],
    denies: [{ ...get, identity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/my-orders') }],
  },
  'a not-list holds for those without the value': {
    policies: [deny('a/outside', rule({ from: [{ namespaces: not('shop') }] }))],
    allows: [get],
    denies: [
      { ...get, identity: undefined },
      { ...get, identity: parseSpiffeId('spiffe://cluster.local/ns/other/sa/x') },
    ],
  },
  'values and not-values of one field together': {
    policies: [
      allow(
        'a/p',
        rule({ to: [{ paths: { any: [{ type: 'prefix', value: '/a' }], none: [{ type: 'exact', value: '/a/b' }] } }] }),
      ),
    ],
    allows: [request('GET', '/a/c')],
    denies: [request('GET', '/a/b'), request('GET', '/b')],
  },
  'hosts match without regard to case, with the port as sent': {
    policies: [allow('a/h', rule({ to: [{ hosts: exact('Payments:9080') }] }))],
    allows: [get],
    denies: [request('GET', '/', [], 'payments')],
  },
  'addresses of the peer and of the client': {
    policies: [
      allow('a/i', rule({ from: [{ ipBlocks: blocks('127.0.0.0/8'), remoteIpBlocks: blocks('10.1.0.0/16', '::1') }] })),
    ],
    allows: [get, { ...get, peerAddress: '::ffff:127.0.0.1' }, { ...get, remoteAddress: '::1' }],
    denies: [
      { ...get, peerAddress: '10.0.0.1' },
      { ...get, remoteAddress: '10.2.0.1' },
      { ...get, peerAddress: 'unknown' },
    ],
  },
  'not-blocks hold for what is outside': {
    policies: [deny('a/i', rule({ from: [{ ipBlocks: { any: [], none: ['127.0.0.0/8'] } }] }))],
    allows: [get],
    denies: [{ ...get, peerAddress: '192.168.0.1' }],
  },
  'each key of a condition reads its own fact': {
    policies: [
      allow(
        'a/w',
        rule({
          when: [
            { key: 'source.ip', values: exact('127.0.0.1') },
            { key: 'remote.ip', values: exact('10.1.0.0/16') },
            { key: 'destination.ip', values: exact('127.0.0.9') },
            { key: 'destination.port', values: exact('80', '9080') },
            { key: 'source.namespace', values: exact('shop') },
            { key: 'source.principal', values: exact('cluster.local/ns/shop/sa/orders') },
            { key: 'connection.sni', values: matching({ type: 'prefix', value: 'outbound_.9080' }) },
          ],
        }),
      ),
    ],
    allows: [get],
    denies: [
      { ...get, peerAddress: '127.0.0.2' },
      { ...get, remoteAddress: '10.2.0.0' },
      { ...get, localAddress: '127.0.0.8' },
      { ...get, localPort: 81 },
      { ...get, sni: undefined },
      { ...get, identity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/x') },
    ],
  },
  'one of several headers of a name is enough; a not-value needs them all to differ': {
    policies: [
      deny('a/n', rule({ when: [{ key: 'request.headers[x-b]', values: not('1', '2') }] })),
      allow('a/h', rule({ when: [{ key: 'request.headers[x-a]', values: exact('1') }] })),
    ],
    allows: [request('GET', '/', ['x-a', '0', 'x-a', '1', 'x-b', '1'])],
    denies: [
      request('GET', '/', ['x-a', '1']),
      request('GET', '/', ['x-a', '1', 'x-b', '3']),
      request('GET', '/', ['x-b', '1']),
    ],
  },
  'a header that is there but empty is not present': {
    policies: [allow('a/h', rule({ when: [{ key: 'request.headers[x]', values: matching({ type: 'present' }) }] }))],
    allows: [request('GET', '/', ['x', '1'])],
    denies: [request('GET', '/', ['x', '']), get],
  },
  'other spellings of a denied path are denied too': {
    policies: [deny('a/admin', rule({ to: [{ paths: matching({ type: 'prefix', value: '/admin' }) }] }))],
    allows: [request('GET', '/x'), request('GET', '/x/admin'), request('GET', '/admin/../x')],
    denies: [
      request('GET', '/admin'),
      request('GET', '/x/../admin'),
      request('GET', '/%61dmin'),
      request('GET', '/x/%2e%2e/admin'),
      request('GET', '\\admin'.replace('\\', '/x\\..\\')),
      request('GET', '/x/..;/admin'),
    ],
  },
  'an allowed prefix can not be left by dot segments': {
    policies: [allow('a/open', rule({ to: [{ paths: matching({ type: 'prefix', value: '/open/' }) }] }))],
    allows: [request('GET', '/open/a')],
    denies: [request('GET', '/open/../admin'), request('GET', '/open/%2E./admin'), request('GET', '/open/%%32e')],
  },
  'the query is no part of the path': {
    policies: [deny('a/admin', rule({ to: [{ paths: matching({ type: 'suffix', value: '/admin' }) }] }))],
    allows: [get],
  },
  'on TCP an ALLOW rule that asks for HTTP allows nothing': {
    tcp: true,
    policies: [
      allow('a/http', rule({ to: [{ ports: { any: [9080], none: [] } }, { methods: exact('GET') }] })),
      allow('a/header', rule({ when: [{ key: 'request.headers[x]', values: not('1') }] })),
    ],
    denies: [connection()],
    names: ['a/http', 'a/header'],
  },
  'on TCP a DENY rule leaves out what is HTTP and denies the more': {
    tcp: true,
    policies: [deny('a/http', rule({ to: [{ ports: { any: [9080], none: [] }, methods: exact('GET') }] }))],
    denies: [connection()],
    allows: [connection({ localPort: 9081 })],
  },
  'on TCP identities, addresses and ports decide': {
    tcp: true,
    policies: [
      allow('a/tcp', rule({ from: [{ namespaces: exact('shop') }], to: [{ ports: { any: [9080], none: [] } }] })),
    ],
    allows: [connection()],
    denies: [connection({ identity: undefined }), connection({ localPort: 1 })],
  },
};

for (const [name, { policies, allows = [], denies = [], names, tcp }] of Object.entries(cases)) {
  test(name, () => {
    const decide = prepareAuthorization(policies, tcp ? 'tcp' : 'http');
    const check = (facts: Facts, verdict: string) => {
      const decision = decide(facts);
      assert.equal(decision.verdict, verdict, JSON.stringify(facts));
      if (names) assert.deepEqual(decision.names, names);
      assert.ok(decision.reason);
    };
    for (const facts of allows) check(facts, 'allow');
    for (const facts of denies) check(facts, 'deny');
  });
}

for (const [what, parts] of Object.entries({
  'a block that is none': { from: [{ ipBlocks: blocks('10.0.0.0/99') }] },
  'an unknown key': { when: [{ key: 'request.auth.claims[iss]', values: exact('x') }] },
  'a wildcard among addresses': { when: [{ key: 'source.ip', values: matching({ type: 'prefix', value: '10.' }) }] },
  'a port that is none': { when: [{ key: 'destination.port', values: exact('http') }] },
} satisfies Record<string, Partial<PolicyRule>>)) {
  test(`refuses ${what} instead of enforcing half a policy`, () => {
    assert.throws(() => prepareAuthorization([allow('a/b', rule(parts))], 'http'), {
      code: 'POLICY_INVALID',
      message: /a\/b/,
    });
  });
}

test('the same decision object comes back', () => {
  const decide = prepareAuthorization([allow('a/all', rule({}))], 'http');
  assert.equal(decide(get), decide(request('POST', '/x')));
});
