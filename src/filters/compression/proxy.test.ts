import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createGunzip } from 'node:zlib';
import { fakeRun } from '../../../test/fakes/filter-run.ts';
import { systemClock } from '../../lib/clock.ts';
import type { RequestHead, ResponseHead } from '../../model/http.ts';
import type { Route } from '../../model/route.ts';
import type { BodyFilter, BodyOut, MakeBodyFilter } from '../filter.ts';
import { chooseEncoding } from './negotiate.ts';
import { compressionFilter } from './proxy.ts';
import type { Encoding } from './schema.ts';

const gzip: Encoding = { name: 'gzip', minBytes: 30, memoryLevel: 5, windowBits: 12 };
const br: Encoding = { name: 'br', minBytes: 30, quality: 3, windowBits: 18, inputBlockBits: 24 };

const choices: Readonly<Record<string, readonly [accepted: string, want: string | undefined]>> = {
  'nothing is chosen of nothing': ['', undefined],
  'spaces are no part of a name': [' gzip ; q=0.2 , br ; q=0.1', 'gzip'],
  'the quality decides': ['gzip;q=0.999, br;q=1.000', 'br'],
  'a quality of none refuses': ['gzip;q=0.000, br;q=0', undefined],
  'a quality that is none refuses': ['gzip;q=2', undefined],
  'a wildcard is what comes first': ['*;q=0.1', 'gzip'],
  'identity may be liked best': ['identity;q=1, gzip;q=0.9', undefined],
};

for (const [sentence, [accepted, want]] of Object.entries(choices)) {
  test(sentence, () => assert.equal(chooseEncoding(accepted, [gzip, br])?.name, want));
}

/** The body filter for a plain answer of unknown length. */
const openBody = (out: BodyOut): BodyFilter => {
  let make: MakeBodyFilter | undefined;
  const request: RequestHead = { method: 'GET', path: '/', query: '', host: 'a', headers: ['accept-encoding', 'gzip'] };
  const answer: ResponseHead = { status: 200, headers: ['content-type', 'text/event-stream'] };
  const run = fakeRun({
    onAnswerBody: (given: MakeBodyFilter) => {
      make = given;
    },
  });
  const context = {
    clock: systemClock,
    random: { next: () => 0 },
    kept: <T>(_name: string, create: () => T) => create(),
    route: {} as Route,
  };
  compressionFilter.prepare([{ type: 'compression', encodings: [gzip] }], context).open!(request, run);
  return make!(answer, undefined, out)!;
};

test('each piece of a stream arrives when it is flushed', async () => {
  const decoder = createGunzip();
  const body = openBody({ push: (bytes) => decoder.write(bytes), end: () => {}, drained: () => {}, fail: () => {} });
  for (const piece of ['data: 1\n\n', 'data: 2\n\n']) {
    const bytes = Buffer.from(`..${piece}..`);
    const arrived = once(decoder, 'data');
    body.write(bytes, 2, bytes.length - 2);
    bytes.fill(0);
    body.flush();
    assert.equal(String((await arrived)[0]), piece);
  }
  body.close();
});

test('what comes faster than it is compressed has to wait', async () => {
  const drained = Promise.withResolvers<void>();
  const body = openBody({ push: () => {}, end: () => {}, drained: drained.resolve, fail: () => {} });
  const piece = Buffer.alloc(65_536, 'a');
  while (!body.blocked) body.write(piece, 0, piece.length);
  await drained.promise;
  assert.equal(body.blocked, false);
  body.close();
});
