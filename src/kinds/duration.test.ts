// Durations of the Gateway API.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDurationMs } from './duration.ts';

test('durations are read in the form of the Gateway API alone', () => {
  const cases: [string | undefined, number | undefined][] = [
    ['1h30m', 5_400_000],
    ['1s500ms', 1500],
    ['0s', 0],
    ['10ms', 10],
    ['1.5s', undefined],
    ['5', undefined],
    ['', undefined],
    [undefined, undefined],
  ];
  for (const [text, want] of cases) assert.equal(parseDurationMs(text), want, String(text));
});
