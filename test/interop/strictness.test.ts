// The table of strictness, case by case through Weft's own proxy and through a real Envoy: the same raw bytes to both.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openStrictBench, type StrictBench } from '../fakes/strict-bench.ts';
import { answerTable, requestTable } from './strictness-cases.ts';

let bench: StrictBench;
before(async () => {
  bench = await openStrictBench();
});
after(() => bench?.close());

for (const [group, cases] of Object.entries(requestTable)) {
  describe(`requests, ${group}`, () => {
    for (const [title, { send, weft, envoy = weft }] of Object.entries(cases)) {
      it(title, async () => {
        assert.equal(await bench.request('weft', send), weft);
        assert.equal(await bench.request('envoy', send), envoy, "Envoy's verdict");
      });
    }
  });
}

describe('answers', () => {
  for (const [title, { send, close = false, method = 'GET', weft, envoy = weft }] of Object.entries(answerTable)) {
    it(title, async () => {
      assert.equal(await bench.answer('weft', { bytes: send, close }, method), weft);
      assert.equal(await bench.answer('envoy', { bytes: send, close }, method), envoy, "Envoy's verdict");
    });
  }
});
