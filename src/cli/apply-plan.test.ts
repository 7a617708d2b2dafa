import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { kinds } from '../kinds/registry.ts';
import { parseManifests } from '../kinds/yaml.ts';
import { checkManifests, planOne } from './apply-plan.ts';

const manifests = (text: string) => parseManifests(text, { file: 'f.yaml' }).resources;
const check = (text: string, isExplicit = false) =>
  checkManifests(manifests(text), { namespace: 'shop', isExplicit, kinds });

const service = (name: string, more = '') => `
apiVersion: v1
kind: Service
metadata: { name: ${name}${more} }
spec: { ports: [{ port: 80 }] }
---`;

test('what others refer to comes first, the rest as written', () => {
  const { plan, problems } = check(`${service('b')}${service('a')}
apiVersion: v1
kind: Namespace
metadata: { name: shop }
`);
  deepEqual(problems, []);
  deepEqual(
    plan.map(({ resource }) => `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`),
    ['Namespace undefined/shop', 'Service shop/b', 'Service shop/a'],
  );
});

test('the resource goes on as it was written, without defaults, at its own version', () => {
  const [manifest] = manifests(`
apiVersion: gateway.networking.k8s.io/v1beta1
kind: HTTPRoute
metadata: { name: r }
spec: { rules: [{}] }`);
  const { resource, type } = planOne(manifest!, 'shop');
  equal(type.version, 'v1beta1');
  deepEqual(resource, {
    apiVersion: 'gateway.networking.k8s.io/v1beta1',
    kind: 'HTTPRoute',
    metadata: { name: 'r', namespace: 'shop' },
    spec: { rules: [{}] },
  });
});

test('what can not be applied is said with its line', () => {
  const cases: Record<string, [text: string, isExplicit: boolean, want: string[]]> = {
    'defined twice': [
      service('a') + service('a'),
      false,
      ['DEFINED_TWICE 7: Service a is defined at f.yaml:2 already'],
    ],
    'two namespaces are two resources': [service('a') + service('a', ', namespace: other'), false, []],
    'another namespace than -n': [
      service('a', ', namespace: other'),
      true,
      ['NAMESPACE_MISMATCH 2: the manifest is for namespace other, not shop'],
    ],
    'the same namespace as -n': [service('a', ', namespace: shop'), true, []],
    'no fixed name': [
      service('', 'generateName: x').replace('name: ', ''),
      false,
      ['NAME_REQUIRED 2: apply needs a fixed name'],
    ],
  };
  for (const [name, [text, isExplicit, want]] of Object.entries(cases)) {
    const { problems } = check(text, isExplicit);
    deepEqual(
      problems.map(({ code, line, message }) => `${code} ${line}: ${message}`),
      want,
      name,
    );
  }
});
