// The registry: names, versions, columns and schemas hold together.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Schema } from './kind.ts';
import { findKind, findKindByName, kindNames, kinds, requireKind } from './registry.ts';

describe('the registry', () => {
  it('finds kinds by apiVersion in every served version', () => {
    assert.equal(findKind('v1', 'Service')?.plural, 'services');
    assert.equal(findKind('security.istio.io/v1beta1', 'PeerAuthentication')?.plural, 'peerauthentications');
    assert.equal(findKind('v2', 'Service'), undefined);
  });

  it('finds kinds by every name that people use', () => {
    for (const name of [
      'we',
      'workloads',
      'WorkloadEntry',
      'workloadentries.networking.istio.io',
      'we.networking.istio.io',
    ]) {
      assert.equal(findKindByName(name)?.kind, 'WorkloadEntry', name);
    }
    for (const [name, kind] of [
      ['gtw', 'Gateway'],
      ['svc', 'Service'],
      ['pa', 'PeerAuthentication'],
      ['se', 'ServiceEntry'],
    ] as const) {
      assert.equal(findKindByName(name)?.kind, kind);
    }
    assert.equal(findKindByName('daemonsets'), undefined);
  });

  it('has no name twice', () => {
    assert.equal(new Set(kindNames()).size, kindNames().length);
  });

  it('says for an unknown kind what is near and what is supported', () => {
    assert.throws(() => requireKind('v1', 'Servise'), {
      code: 'UNKNOWN_KIND',
      message: 'kind "Servise" in apiVersion "v1" is not supported',
      hint: /^did you mean Service\? supported: Namespace \(v1\), /,
    });
  });

  it('has columns for resources with and without a status', () => {
    for (const kind of kinds) {
      const empty = { apiVersion: 'v1', kind: kind.kind, metadata: { name: 'a' } };
      for (const { name, value, type } of kind.columns) {
        assert.equal(typeof value(empty), type === 'integer' ? 'number' : 'string', `${kind.kind} ${name}`);
      }
    }
  });

  it('describes every field with a name, and requires only fields that exist', () => {
    const walk = (schema: Schema, path: string): void => {
      for (const name of schema.required ?? []) assert.ok(schema.properties?.[name], `${path}.${name}`);
      for (const [name, property] of Object.entries(schema.properties ?? {})) {
        if (!property['x-kubernetes-preserve-unknown-fields'])
          assert.ok(property.description, `${path}.${name} has no description`);
        walk(property, `${path}.${name}`);
      }
      if (schema.items) walk(schema.items, `${path}[]`);
      if (schema.additionalProperties) walk(schema.additionalProperties, `${path}{}`);
      if (schema.pattern) new RegExp(schema.pattern);
    };
    for (const kind of kinds) walk(kind.schema, kind.kind);
  });

  it('shows a workload with its identity, address and health', () => {
    const kind = findKindByName('workloads')!;
    const values = kind.columns
      .filter(({ wide }) => !wide)
      .map(({ value }) =>
        value({
          apiVersion: 'networking.istio.io/v1',
          kind: 'WorkloadEntry',
          metadata: { name: 'a', namespace: 'shop', annotations: { 'weft.dev/inbound': '127.0.0.1:15006' } },
          spec: { address: '127.0.0.1', serviceAccount: 'reviews' },
          status: { conditions: [{ type: 'Healthy', status: 'False' }] },
        }),
      );
    assert.deepEqual(values, ['shop/reviews', '127.0.0.1:15006', 'Unhealthy']);
  });
});
