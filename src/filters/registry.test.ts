import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { filterOrder } from './registry.ts';

test('the list names every filter folder, each with both forms and its cases', () => {
  const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.deepEqual(folders.map((entry) => entry.name).sort(), filterOrder.map((filter) => filter.name).sort());
  for (const { name } of filterOrder) {
    const files = readdirSync(`${import.meta.dirname}/${name}`);
    for (const file of ['proxy.ts', 'envoy.ts', 'cases.ts', 'proxy.test.ts'])
      assert.ok(files.includes(file), `${name}/${file}`);
  }
});
