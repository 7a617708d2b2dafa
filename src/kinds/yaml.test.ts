// Manifests as users write them: several documents, lists, and mistakes with their place.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatManifestProblem, parseManifests } from './yaml.ts';

const problems = (text: string) => parseManifests(text, { file: 'a.yaml' }).problems.map(formatManifestProblem);

describe('parseManifests', () => {
  it('reads documents and lists, with the line of each', () => {
    const text = [
      'apiVersion: v1',
      'kind: Namespace',
      'metadata: {name: a}',
      '---',
      '# nothing here',
      '---',
      'apiVersion: v1',
      'kind: List',
      'items:',
      '- apiVersion: v1',
      '  kind: Namespace',
      '  metadata: {name: b}',
      '- {apiVersion: v1, kind: Namespace, metadata: {name: c}}',
    ].join('\n');
    const { resources, problems: found } = parseManifests(text, { file: 'a.yaml' });
    assert.deepEqual(found, []);
    assert.deepEqual(
      resources.map(({ resource, line }) => [resource.metadata.name, line]),
      [
        ['a', 1],
        ['b', 10],
        ['c', 13],
      ],
    );
  });

  it('reads JSON', () => {
    const text = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } });
    assert.equal(parseManifests(text, { file: 'a.json' }).resources[0]?.resource.metadata.name, 'a');
  });

  it('reads older served versions', () => {
    const text =
      '{apiVersion: networking.istio.io/v1alpha3, kind: WorkloadEntry, metadata: {name: a}, spec: {address: 1.2.3.4}}';
    assert.equal(parseManifests(text, { file: 'a.yaml' }).resources[0]?.kind.plural, 'workloadentries');
  });

  const mistakes: Record<string, { text: string; want: RegExp[] }> = {
    'broken YAML': { text: 'a: 1\nb: [1,\nc: 2', want: [/^a\.yaml:\d+:\d+: not valid YAML: /] },
    'a tab': { text: 'a:\n\tb: 1', want: [/^a\.yaml:2:1: not valid YAML: Tabs are not allowed/] },
    'a key twice': {
      text: 'apiVersion: v1\nkind: Namespace\nkind: Service',
      want: [/^a\.yaml:3:1: the same key is there twice: kind \(remove one of them\)$/],
    },
    'text that is no manifest': { text: 'hello', want: [/^a\.yaml:1:1: a manifest must be an object/] },
    'a manifest without a kind': {
      text: 'apiVersion: v1',
      want: [/^a\.yaml:1:1: a manifest needs apiVersion and kind/],
    },
    'an unknown kind': {
      text: 'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoot\nmetadata: {name: a}',
      want: [
        /^a\.yaml:2:1: kind "HTTPRoot" in apiVersion "[^"]+" is not supported \(did you mean HTTPRoute\? supported: Namespace/,
      ],
    },
    'a version that is not served': {
      text: 'apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: HTTPRoute\nmetadata: {name: a}',
      want: [/HTTPRoute is served as gateway\.networking\.k8s\.io\/v1, gateway\.networking\.k8s\.io\/v1beta1/],
    },
    'a wrong value in an item of a list': {
      text: 'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 80\n    name: a\n  - name: b\n    port: x',
      want: [/^a\.yaml:9:5: spec\.ports\[1\]\.port: must be a whole number, not a string$/],
    },
    'a missing field, at what it is missing from': {
      text: 'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - name: a',
      want: [/^a\.yaml:6:5: spec\.ports\[0\]\.port: is required$/],
    },
    'aliases that multiply': {
      text: `a: &a [${'x,'.repeat(9)}x]\nb: &b [${'*a,'.repeat(9)}*a]\nc: &c [${'*b,'.repeat(9)}*b]\nd: [${'*c,'.repeat(9)}*c]`,
      want: [/^a\.yaml:1:1: not valid YAML: Excessive alias count/],
    },
  };
  for (const [mistake, { text, want }] of Object.entries(mistakes)) {
    it(`places ${mistake}`, () => {
      const found = problems(text);
      assert.equal(found.length, want.length, found.join('\n'));
      for (const [i, pattern] of want.entries()) assert.match(found[i]!, pattern);
    });
  }

  it('goes on behind a broken document', () => {
    const { resources, problems: found } = parseManifests(
      'a: [\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: a}}',
      { file: 'a.yaml' },
    );
    assert.ok(found.length > 0);
    assert.ok(resources.length <= 1);
  });

  it('answers whatever comes with resources or problems, never with an exception', () => {
    const seedText =
      'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a, labels: {x: "y"}}\nspec:\n  parentRefs: &p\n  - name: g\n  hostnames: ["*.a.b"]\n  rules:\n  - backendRefs: [{name: s, port: 80}]\n---\napiVersion: v1\nkind: List\nitems: []\n';
    const pieces = [
      '\t',
      ': ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '&p',
      '*p',
      '---\n',
      '!!binary ',
      '|',
      '#',
      '\u0000',
      '<<: ',
      '?',
      '%',
    ];
    let state = 42;
    const next = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state % below;
    };
    for (let round = 0; round < 400; round++) {
      let text = seedText;
      for (let edit = 0; edit <= round % 4; edit++) {
        const at = next(text.length);
        text = text.slice(0, at) + pieces[next(pieces.length)] + text.slice(at + next(8));
      }
      const { resources, problems: found } = parseManifests(text, { file: 'a.yaml' });
      for (const { line, column, message } of found) assert.ok(line > 0 && column > 0 && message.length > 0);
      for (const { resource } of resources) assert.equal(typeof resource.metadata.name, 'string');
    }
  });
});
