import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestHead, ResponseHead } from '../../model/http.ts';
import type { Route } from '../../model/route.ts';
import type { FilterContext, FilterRun } from '../filter.ts';
import { corsFilter } from './proxy.ts';
import type { Cors } from './schema.ts';

const wild: Cors = {
  type: 'cors',
  origins: ['*'],
  methods: ['*'],
  headers: ['*'],
  exposed: [],
  credentials: false,
  maxAgeSeconds: 5,
};

const request = (method: string, ...headers: string[]): RequestHead => ({
  method,
  path: '/',
  query: '',
  host: 'api.test',
  headers,
});

/** What it answers, and what it does to an answer without headers. */
const run = async (cors: Cors, head: RequestHead) => {
  const edited: ResponseHead = { status: 200, headers: [] };
  const edits: ((answer: ResponseHead) => void)[] = [];
  const way = { onAnswer: (edit: (answer: ResponseHead) => void) => edits.push(edit) } as unknown as FilterRun;
  const answer = await corsFilter.prepare([cors], { route: {} as Route } as FilterContext).open!(head, way);
  for (const edit of edits) edit(edited);
  return { answer, headers: edited.headers };
};

test('what is not asked for is not told', async () => {
  const { answer } = await run(wild, request('OPTIONS', 'origin', 'https://a', 'access-control-request-method', 'PUT'));
  assert.deepEqual(answer, {
    status: 200,
    headers: ['access-control-allow-methods', 'PUT', 'access-control-max-age', '5'],
  });
});

test('a preflight of an origin that is not allowed is told nothing at all', async () => {
  const head = request('OPTIONS', 'origin', 'https://b.test', 'access-control-request-method', 'PUT');
  assert.deepEqual(await run({ ...wild, origins: ['https://a.test'] }, head), {
    answer: { status: 200 },
    headers: [],
  });
});

test('letters of an origin that mean something to patterns', async () => {
  const cors = { ...wild, origins: ['https://a.test'] };
  assert.deepEqual((await run(cors, request('GET', 'origin', 'https://axtest'))).headers, []);
  assert.deepEqual((await run(cors, request('GET', 'origin', 'https://a.test'))).headers, [
    'access-control-allow-origin',
    'https://a.test',
  ]);
});
