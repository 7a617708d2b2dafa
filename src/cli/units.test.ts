import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge, formatDuration, formatSize, parseSpan } from './units.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test('durations read as people say them', () => {
  const cases: [number, string][] = [
    [0, '0ms'],
    [-3, '0ms'],
    [0.42, '0.4ms'],
    [9.96, '10ms'],
    [12.3, '12ms'],
    [999.4, '999ms'],
    [999.7, '1s'],
    [1234, '1.2s'],
    [59_960, '1m00s'],
    [185_000, '3m05s'],
    [7_800_000, '2h10m'],
  ];
  for (const [ms, want] of cases) equal(formatDuration(ms), want, `${ms} ms`);
});

test('sizes are in binary units', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [1024 * 1024 - 1, '1 MiB'],
    [34 * 1024 * 1024, '34 MiB'],
    [5 * 1024 ** 4, '5 TiB'],
  ];
  for (const [bytes, want] of cases) equal(formatSize(bytes), want, `${bytes} bytes`);
});

test('ages are those of kubectl', () => {
  const cases: [number, string][] = [
    [-5, '0s'],
    [119 * SECOND, '119s'],
    [2 * MINUTE, '2m'],
    [5 * MINUTE + 12 * SECOND, '5m12s'],
    [90 * MINUTE, '90m'],
    [3 * HOUR + 20 * MINUTE, '3h20m'],
    [30 * HOUR, '30h'],
    [2 * DAY + 4 * HOUR, '2d4h'],
    [40 * DAY, '40d'],
    [800 * DAY, '2y70d'],
  ];
  for (const [ms, want] of cases) equal(formatAge(ms), want, `${ms} ms`);
});

test('spans of flags are read, and nothing else', () => {
  const cases: [string, number | undefined][] = [
    ['90s', 90 * SECOND],
    ['1h30m', 90 * MINUTE],
    ['2d', 2 * DAY],
    ['', undefined],
    ['10', undefined],
    ['1.5h', undefined],
    ['-1h', undefined],
    ['30m1h', undefined],
  ];
  for (const [text, want] of cases) equal(parseSpan(text), want, JSON.stringify(text));
});
