import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseQuantity } from './quantity.ts';

const cases: Record<string, [unknown, number | undefined]> = {
  'reads a number': [1024, 1024],
  'reads a number as text': ['1024', 1024],
  'reads binary units': ['10Mi', 10 * 2 ** 20],
  'reads decimal units': ['5k', 5000],
  'refuses zero': [0, undefined],
  'refuses what is negative': [-1, undefined],
  'refuses parts': ['1.5Gi', undefined],
  'refuses unknown units': ['1KB', undefined],
  'refuses other values': [{}, undefined],
};

for (const [sentence, [given, want]] of Object.entries(cases)) {
  test(sentence, () => assert.equal(parseQuantity(given), want));
}
