// Property tests of managedFields, which clients may send: what is no such list is refused, what is one comes back as it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPath, pathsOf } from '../../src/api/fields/field-set.ts';
import { decodeManagedFields, loadManagedFields, storeManagedFields } from '../../src/api/fields/managed-fields.ts';
import { isApiError } from '../../src/api/status.ts';
import { fuzz, mutate } from './budget.ts';

const SEED = Buffer.from(
  JSON.stringify([
    {
      manager: 'kubectl',
      operation: 'Apply',
      apiVersion: 'v1',
      time: '2026-01-01T00:00:00Z',
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': { 'f:finalizers': { '.': {}, 'v:"a/b"': {} } },
        'f:spec': { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {} } }, 'f:l': { 'i:3': {} } },
      },
    },
  ]),
);

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

test('changed managedFields are refused in words, or kept and read again without loss', () => {
  fuzz(5000, 31, (draw) => {
    const value = parsed(mutate(draw, SEED).toString());
    try {
      const entries = decodeManagedFields(value);
      for (const { fields } of entries) for (const path of pathsOf(fields)) formatPath(path);
      assert.deepEqual(loadManagedFields(storeManagedFields(entries)), entries);
    } catch (error) {
      if (!isApiError(error)) throw error;
    }
  });
});
