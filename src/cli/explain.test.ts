import { deepEqual, equal, match, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { fakeTerminal } from '../../test/fakes/terminal.ts';
import type { Schema } from '../kinds/kind.ts';
import { kinds } from '../kinds/registry.ts';
import { explainLines, limitsOf, typeName } from './explain.ts';
import { requireKind } from './kind-names.ts';
import { runProgram } from './program.ts';

test('types read as people write them', () => {
  const cases: [Schema, string][] = [
    [{ type: 'string' }, 'string'],
    [{ type: 'array', items: { type: 'string' } }, '[]string'],
    [{ type: 'array', items: { properties: {} } }, '[]Object'],
    [{ type: 'object', additionalProperties: { type: 'integer' } }, 'map[string]integer'],
    [{ 'x-kubernetes-int-or-string': true }, 'integer or string'],
    [{}, 'any'],
  ];
  for (const [schema, want] of cases) equal(typeName(schema), want);
});

test('limits are said in words', () => {
  deepEqual(limitsOf({ type: 'integer', minimum: 1, maximum: 65535 }), ['1 to 65535']);
  deepEqual(limitsOf({ type: 'array', maxItems: 16 }), ['at most 16 items']);
  deepEqual(limitsOf({ enum: ['A', 'B'], default: 'A' }), ['one of A, B', 'default "A"']);
});

test('every kind explains itself and all of its fields', () => {
  for (const kind of kinds) {
    const lines = explainLines(kind, [], true, 80);
    equal(lines[0], `KIND:     ${kind.kind}`);
    match(lines.join('\n'), /\n {2}metadata {2}<Object>/);
  }
});

test('a field is explained with type, limits and what is below', () => {
  const page = explainLines(requireKind('httproute'), ['spec', 'rules', 'matches', 'path'], false, 80).join('\n');
  match(page, /^KIND: {5}HTTPRoute\nVERSION: {2}gateway\.networking\.k8s\.io\/v1\n/);
  match(page, /\nFIELD: {4}spec\.rules\.matches\.path {2}<Object>\n/);
  match(page, /\n {2}type {2}<string>/);
  match(page, /one of Exact, PathPrefix, RegularExpression/);
});

test('a field that is not there is named with the nearest', async () => {
  throws(() => explainLines(requireKind('service'), ['spce'], false, 80), {
    code: 'UNKNOWN_FIELD',
    hint: 'weft explain service.spec',
  });
  throws(() => explainLines(requireKind('service'), ['constructor'], false, 80), { code: 'UNKNOWN_FIELD' });
  const terminal = fakeTerminal();
  equal(await runProgram(['explain', 'service.spec.xyz'], terminal), 1);
  equal(terminal.err(), 'error: service.spec has no field "xyz" (UNKNOWN_FIELD)\n  try: weft explain service.spec\n');
});
