// Tests of managedFields as clients may send them: what is none is refused, what is one comes back as it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isApiError } from '../status.ts';
import { formatPath, pathsOf } from './field-set.ts';
import { decodeManagedFields, loadManagedFields, storeManagedFields } from './managed-fields.ts';

const entry = (fieldsV1: unknown, more: Record<string, unknown> = {}) => ({
  manager: 'm',
  operation: 'Update',
  apiVersion: 'v1',
  time: '2026-01-01T00:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1,
  ...more,
});

const BAD: Record<string, unknown> = {
  'no list': {},
  'an entry that is no object': ['x'],
  'an operation that does not exist': [entry({}, { operation: 'Delete' })],
  'another type of fields': [entry({}, { fieldsType: 'FieldsV2' })],
  'a manager of too many letters': [entry({}, { manager: 'x'.repeat(129) })],
  'fields that are no object': [entry(7)],
  'an element without a kind': [entry({ spec: {} })],
  'a key that is no JSON': [entry({ 'k:{': {} })],
  'a key that is no object': [entry({ 'k:7': {} })],
  'a value that is no JSON': [entry({ 'v:x': {} })],
  'an index that is no number': [entry({ 'i:-1': {} })],
  'too many entries': Array.from({ length: 101 }, () => entry({})),
};

for (const [what, value] of Object.entries(BAD)) {
  test(`${what} is refused`, () => {
    assert.throws(() => decodeManagedFields(value), isApiError);
    assert.deepEqual(loadManagedFields(JSON.stringify(value)), []);
  });
}

test('every kind of element comes back as it was, and has a text', () => {
  const fields = {
    'f:metadata': { 'f:finalizers': { '.': {}, 'v:"a/b"': {} } },
    'f:spec': { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {} } }, 'f:list': { 'i:3': {} } },
  };
  const stored = storeManagedFields(decodeManagedFields([entry(fields)]));
  assert.deepEqual(JSON.parse(stored!), [entry(fields)]);
  const [loaded] = loadManagedFields(stored);
  assert.deepEqual(pathsOf(loaded!.fields).map(formatPath).sort(), [
    '.metadata.finalizers',
    '.metadata.finalizers[="a/b"]',
    '.spec.list[3]',
    '.spec.ports[port=80,protocol="TCP"]',
    '.spec.ports[port=80,protocol="TCP"].name',
  ]);
});

test('nobody manages nothing', () => {
  assert.equal(storeManagedFields([]), undefined);
  assert.deepEqual(loadManagedFields(undefined), []);
});
