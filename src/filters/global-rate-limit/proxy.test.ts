import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeRun } from '../../../test/fakes/filter-run.ts';
import { systemClock } from '../../lib/clock.ts';
import type { RequestHead, ResponseHead } from '../../model/http.ts';
import type { AskRateLimit, RateLimitRule } from '../../model/rate-limit.ts';
import type { Route } from '../../model/route.ts';
import { globalRateLimit } from './proxy.ts';

const rule: RateLimitRule = { name: 'a/b/0', conditions: [], requests: 2, unit: 'minute' };
const request: RequestHead = { method: 'GET', path: '/', query: '', host: 'a', headers: [] };

const run = async (askRateLimit: AskRateLimit | undefined, failClosed: boolean) => {
  const answer: ResponseHead = { status: 200, headers: [] };
  const { open } = globalRateLimit.prepare(
    [{ type: 'global-rate-limit', rules: [rule], ...(failClosed && { failClosed }) }],
    {
      clock: systemClock,
      random: { next: () => 0 },
      kept: <T>(_name: string, make: () => T) => make(),
      route: {} as Route,
      ...(askRateLimit && { askRateLimit }),
    },
  );
  const edits: ((answer: ResponseHead) => void)[] = [];
  const found = await open!(request, fakeRun({ onAnswer: (edit) => edits.push(edit) }));
  for (const edit of edits) edit(answer);
  return { found, headers: answer.headers };
};

const fails: AskRateLimit = async () => {
  throw new Error('no server');
};

test('a request goes on where the server can not be asked', async () => {
  assert.deepEqual(await run(fails, false), { found: undefined, headers: [] });
  assert.deepEqual(await run(undefined, false), { found: undefined, headers: [] });
});

test('where that is asked for it is refused then', async () => {
  assert.deepEqual((await run(fails, true)).found, { status: 500, flag: 'RLSE' });
});

test('the server is told the rule and its limit, and how long to wait is told on', async () => {
  const { found, headers } = await run(async (questions, timeoutMs) => {
    assert.deepEqual(questions, [['rule', 'a/b/0', 'limit', '2/minute']]);
    assert.equal(timeoutMs, 100);
    return [{ isOver: true, requests: 2, unit: 'minute', remaining: 0, resetSeconds: 17 }];
  }, false);
  assert.deepEqual(found, { status: 429, headers: ['retry-after', '17'], flag: 'RL' });
  assert.deepEqual(headers, [
    'x-ratelimit-limit',
    '2, 2;w=60',
    'x-ratelimit-remaining',
    '0',
    'x-ratelimit-reset',
    '17',
  ]);
});
