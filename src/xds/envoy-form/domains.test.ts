import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestDomain, planDomains } from './domains.ts';

const plans: Record<
  string,
  { domains: string[]; authorities?: string[]; defaultPort?: number; want: Record<string, string[]>; ignore?: true }
> = {
  'without any port Envoy leaves ports out itself': {
    domains: ['a.b', '*.b', '*'],
    want: { 'a.b': ['a.b'], '*.b': ['*.b'], '*': ['*'] },
    ignore: true,
  },
  'a name without a port takes every port': {
    domains: ['a', 'b:90'],
    want: { a: ['a', 'a:*'], 'b:90': ['b:90'] },
  },
  'a suffix takes the ports that callers are known to name': {
    domains: ['*.b', 'x:90'],
    authorities: ['y:91'],
    want: { '*.b': ['*.b', '*.b:90', '*.b:91', '*.b:80', '*.b:443'] },
  },
  'an exact name keeps the ports that a suffix has': {
    domains: ['a.b', '*.b:90'],
    want: { 'a.b': ['a.b', 'a.b:*', 'a.b:90'], '*.b:90': ['*.b:90'] },
  },
  'with a default port a name is taken without a port for that one alone': {
    domains: ['a:80', 'a:81', '*.b:80'],
    defaultPort: 80,
    want: { 'a:80': ['a:80', 'a'], 'a:81': ['a:81'], '*.b:80': ['*.b:80', '*.b'] },
  },
  'a domain of its own is not taken twice': {
    domains: ['*.b', '*.b:90'],
    want: { '*.b': ['*.b', '*.b:80', '*.b:443'] },
  },
};

for (const [name, { domains, authorities = [], defaultPort, want, ignore = false }] of Object.entries(plans)) {
  test(name, () => {
    const plan = planDomains(domains, authorities, defaultPort);
    assert.equal(plan.ignorePort, ignore);
    for (const [domain, expanded] of Object.entries(want)) assert.deepEqual(plan.expand(domain), expanded);
  });
}

const choices: Record<string, { authority: string; domains: string[]; want: string | undefined }> = {
  'exact with the port before exact': { authority: 'a:80', domains: ['*', 'a', 'a:80'], want: 'a:80' },
  'exact before suffix': { authority: 'a.b:80', domains: ['*.b', 'a.b'], want: 'a.b' },
  'the longer suffix': { authority: 'x.a.b', domains: ['*.b', '*.a.b', '*'], want: '*.a.b' },
  'a suffix does not match its own rest': { authority: 'a.b', domains: ['*.a.b'], want: undefined },
  'any when nothing else': { authority: 'c', domains: ['a', '*'], want: '*' },
};

for (const [name, { authority, domains, want }] of Object.entries(choices)) {
  test(`the domain of an authority: ${name}`, () => assert.equal(bestDomain(authority, domains), want));
}
