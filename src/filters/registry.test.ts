import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isFilter } from './filter.ts';
import { filterOrder, routeAnswers } from './registry.ts';

const here = import.meta.dirname;
const docs = join(here, '../../docs/filters');

test('the lists name every filter folder, each with both forms, its cases and its page', () => {
  const names = [...filterOrder.map((filter) => filter.name), ...routeAnswers];
  const folders = readdirSync(here, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.deepEqual(folders.map((entry) => entry.name).sort(), names.sort());
  const assertFile = (file: string) => assert.ok(existsSync(file), file);
  for (const name of names) {
    assertFile(join(docs, `${name}.md`));
    for (const file of ['envoy.ts', 'cases.ts']) assertFile(join(here, name, file));
  }
  for (const { name } of filterOrder) {
    for (const file of ['schema.ts', 'proxy.ts', 'proxy.test.ts']) assertFile(join(here, name, file));
  }
});

test('each type has one filter, whose Envoy form can be loaded', async () => {
  const filters = filterOrder.filter(isFilter);
  const types = filters.flatMap((filter) => filter.types);
  assert.equal(new Set(types).size, types.length);
  for (const { envoy } of filters) assert.ok((await envoy()).envoyFilter);
  for (const entry of filterOrder) if (!isFilter(entry)) assert.ok((await entry.envoy()).envoySetting);
});
