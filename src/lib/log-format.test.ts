import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLogFormat } from './log-format.ts';

test('text and commands come in their order', () => {
  assert.deepEqual(parseLogFormat('a %REQ(X-A?:PATH):5% 100%%b%DURATION%'), [
    'a ',
    { name: 'REQ', argument: 'X-A?:PATH', maxLength: 5 },
    ' 100%b',
    { name: 'DURATION', argument: undefined, maxLength: undefined },
  ]);
  assert.deepEqual(parseLogFormat(''), []);
});

const refused: Readonly<Record<string, string>> = {
  'an operator that nobody knows': '%NOTHING%',
  'an expression': '%CEL(request.path)%',
  'a percent sign alone': '50% of it',
  'an operator without an end': '%REQ(:PATH',
  'no header where one is needed': '%REQ%',
  'more than one alternative': '%REQ(A?B?C)%',
  'a header that is none': '%RESP(a b)%',
  'an argument too many': '%DURATION(ms)%',
  'a length where there is none': '%RESPONSE_CODE:1%',
  'too long a format': 'x'.repeat(20_000),
};

for (const [sentence, format] of Object.entries(refused)) {
  test(`refuses ${sentence}`, () => assert.throws(() => parseLogFormat(format), { code: 'LOG_FORMAT_INVALID' }));
}
