import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { kindPrefix, parseOne, parseWanted, requireKind, requireKinds } from './kind-names.ts';

test('a kind is found by every name it has', () => {
  const cases: Record<string, readonly string[]> = {
    Service: ['service', 'services', 'svc', 'Service', 'SVC'],
    WorkloadEntry: ['workloads', 'workload', 'we', 'workloadentries'],
    HTTPRoute: [
      'httproute',
      'HTTPRoute',
      'httproutes.gateway.networking.k8s.io',
      'httproutes.v1.gateway.networking.k8s.io',
    ],
    Gateway: ['gtw', 'gateways'],
    PeerAuthentication: ['pa'],
  };
  for (const [kind, names] of Object.entries(cases))
    for (const name of names) equal(requireKind(name).kind, kind, name);
});

test('a name that is not known is answered with the nearest', () => {
  throws(() => requireKind('gatway'), { code: 'UNKNOWN_KIND', hint: 'did you mean gateway?' });
  throws(() => requireKind('xyzzyplugh'), { code: 'UNKNOWN_KIND', hint: /^the kinds are namespaces, / });
  throws(() => requireKind('services.other.io'), { code: 'UNKNOWN_KIND' });
});

test('a list names each kind once', () => {
  deepEqual(
    requireKinds('svc,services,gateways').map(({ kind }) => kind),
    ['Service', 'Gateway'],
  );
  deepEqual(
    requireKinds('all')
      .map(({ kind }) => kind)
      .slice(0, 2),
    ['Service', 'WorkloadEntry'],
  );
});

const wanted = (...args: string[]) => parseWanted(args, 'example').map(({ kind, names }) => [kind.kind, names]);

test('kinds and names are read in every form', () => {
  deepEqual(wanted('svc,gtw'), [
    ['Service', undefined],
    ['Gateway', undefined],
  ]);
  deepEqual(wanted('svc', 'a', 'b'), [['Service', ['a', 'b']]]);
  deepEqual(wanted('svc/a', 'gateway/g', 'service/b'), [
    ['Service', ['a', 'b']],
    ['Gateway', ['g']],
  ]);
  for (const args of [[], ['svc/'], ['/a'], ['svc/a/b'], ['all', 'a'], ['svc/a', 'b'], [',']]) {
    throws(() => parseWanted(args, 'example'), { code: 'USAGE', hint: 'example' }, args.join(' '));
  }
});

test('one resource is one', () => {
  const { kind, name } = parseOne(['svc', 'a'], 'example');
  deepEqual([kind.kind, name], ['Service', 'a']);
  for (const args of [['svc'], ['svc', 'a', 'b'], ['svc/a', 'gtw/b']]) {
    throws(() => parseOne(args, 'example'), { code: 'USAGE' });
  }
});

test('the prefix of a name is that of kubectl', () => {
  equal(kindPrefix(requireKind('svc')), 'service');
  equal(kindPrefix(requireKind('httproute')), 'httproute.gateway.networking.k8s.io');
});
