import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareStartTime } from './start-time.ts';

const AT = Date.UTC(2026, 0, 5, 14, 3, 9, 47);

const cases: Readonly<Record<string, string>> = {
  '': '2026-01-05T14:03:09.047Z',
  '%Y-%m-%d %H:%M:%S': '2026-01-05 14:03:09',
  '%F %T.%3f': '2026-01-05 14:03:09.047',
  '%s.%6f %f': '1767621789.047000 047000000',
  '%a %A %b %B %e %j': 'Mon Monday Jan January  5 005',
  '%I %p %y %R %D': '02 PM 26 14:03 01/05/26',
  '%z %Z %% %Q': '+0000 UTC % %Q',
};

for (const [format, want] of Object.entries(cases)) {
  test(`the time by "${format}"`, () => assert.equal(prepareStartTime(format)(AT), want));
}
