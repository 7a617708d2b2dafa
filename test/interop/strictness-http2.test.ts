// The table of strictness of HTTP/2, case by case through Weft's own proxy and through a real Envoy: the same bytes to both.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openStrictBench, type StrictBench } from '../fakes/strict-bench.ts';
import { type Http2Case, http2AnswerTable, http2Table } from './strictness-http2.ts';

let bench: StrictBench;
before(async () => {
  bench = await openStrictBench();
});
after(() => bench?.close());

const check = async ({ send, waits, weft, envoy = weft }: Http2Case): Promise<void> => {
  assert.equal(await bench.http2('weft', send, waits !== false), weft);
  assert.equal(await bench.http2('envoy', send, waits !== false), envoy, "Envoy's verdict");
};

for (const [group, cases] of Object.entries(http2Table)) {
  describe(`streams, ${group}`, () => {
    for (const [title, one] of Object.entries(cases)) if (one.waits !== false) it(title, () => check(one));
  });

  // Envoy takes a second to close a connection, and these cases have no need of the backend.
  describe(`connections, ${group}`, { concurrency: 8 }, () => {
    for (const [title, one] of Object.entries(cases)) if (one.waits === false) it(title, () => check(one));
  });
}

describe('answers', () => {
  for (const [title, { send, weft, envoy = weft }] of Object.entries(http2AnswerTable)) {
    it(title, async () => {
      assert.equal(await bench.http2Answer('weft', send), weft);
      assert.equal(await bench.http2Answer('envoy', send), envoy, "Envoy's verdict");
    });
  }
});
