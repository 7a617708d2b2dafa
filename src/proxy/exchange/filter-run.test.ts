import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilterAnswer, OpenFilter } from '../../filters/filter.ts';
import { silentLog } from '../../lib/log.ts';
import type { ProxyContext } from '../context.ts';
import { RequestMessage, ResponseMessage } from '../http1/head.ts';
import type { WaitingRequest } from './filter-asides.ts';
import { ExchangeFilters } from './filter-run.ts';

const filters = () => new ExchangeFilters('10.0.0.1', { log: silentLog } as ProxyContext, {} as WaitingRequest);

const opened = (run: ExchangeFilters, ...list: OpenFilter[]): Promise<FilterAnswer | undefined> =>
  new Promise((resolve) => run.open(list, new RequestMessage(), resolve));

/** What is asked, in which order, until one answers. */
const asked = (list: readonly (FilterAnswer | undefined | Promise<FilterAnswer | undefined>)[]) => {
  const order: number[] = [];
  const all = list.map(
    (answer, i): OpenFilter =>
      () => {
        order.push(i);
        return answer;
      },
  );
  return { order, all };
};

const cases: Record<string, { list: Parameters<typeof asked>[0]; order: number[]; status?: number }> = {
  'each is asked in turn': { list: [undefined, undefined], order: [0, 1] },
  'the first answer counts': { list: [undefined, { status: 401 }, { status: 402 }], order: [0, 1], status: 401 },
  'one that has to wait holds the others': {
    list: [Promise.resolve(undefined), { status: 429 }, undefined],
    order: [0, 1],
    status: 429,
  },
  'what is answered later counts too': {
    list: [undefined, Promise.resolve({ status: 403 }), { status: 401 }],
    order: [0, 1],
    status: 403,
  },
  'a promise that is rejected fails the request': {
    list: [Promise.reject(new Error('gone')), undefined],
    order: [0],
    status: 500,
  },
};
for (const [name, { list, order: wanted, status }] of Object.entries(cases)) {
  test(name, async () => {
    const { order, all } = asked(list);
    assert.equal((await opened(filters(), ...all))?.status, status);
    assert.deepEqual(order, wanted);
  });
}

test('one that throws fails the request, and lets it pass no further', async () => {
  const { order, all } = asked([undefined]);
  const broken: OpenFilter = () => {
    throw new Error('broken');
  };
  assert.equal((await opened(filters(), broken, ...all))?.status, 500);
  assert.deepEqual(order, []);
});

test('without one that waits it is over at once', () => {
  let done = false;
  filters().open([() => undefined], new RequestMessage(), () => {
    done = true;
  });
  assert.ok(done);
});

test('what is registered last acts first on an answer', () => {
  const run = filters();
  const order: string[] = [];
  for (const name of ['first', 'second']) run.onAnswer(() => order.push(name));
  run.editAnswer(new ResponseMessage());
  assert.deepEqual(order, ['second', 'first']);
});

test('one filter has the body, the first of those that want it', () => {
  const run = filters();
  const body = { blocked: false, write: () => {}, flush: () => {}, end: () => {}, close: () => {} };
  const out = { push: () => {}, end: () => {}, drained: () => {}, fail: () => {} };
  assert.equal(run.openBody(new ResponseMessage(), out), undefined);
  run.onAnswerBody(() => body);
  run.onAnswerBody(() => undefined);
  assert.equal(run.openBody(new ResponseMessage(), out), body);
});

test('the end is told once', () => {
  const run = filters();
  let ends = 0;
  run.onEnd(() => ends++);
  run.ended();
  run.ended();
  assert.equal(ends, 1);
});
