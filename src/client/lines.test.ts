import { deepEqual, rejects } from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { parseJsonLines } from './lines.ts';

const read = (chunks: readonly string[], limit?: number): Promise<unknown[]> =>
  Array.fromAsync(parseJsonLines(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), limit));

test('values are put together wherever the stream was cut', async () => {
  const text = '{"a":1}\n\n{"b":"é"}\r\n[3]\n';
  const want = [{ a: 1 }, { b: 'é' }, [3]];
  deepEqual(await read([text]), want);
  for (let cut = 1; cut < text.length; cut++) {
    const bytes = Buffer.from(text);
    const stream = Readable.from([bytes.subarray(0, cut), bytes.subarray(cut)]);
    deepEqual(await Array.fromAsync(parseJsonLines(stream)), want, `cut at ${cut}`);
  }
});

test('a line that the break cut is dropped', async () => {
  deepEqual(await read(['{"a":1}\n{"b":']), [{ a: 1 }]);
});

test('what is not JSON, or too long, is refused', async () => {
  await rejects(read(['hello\n']), { code: 'CLIENT_BAD_ANSWER' });
  await rejects(read(['"', 'x'.repeat(100), 'x'.repeat(100)], 150), { code: 'CLIENT_BAD_ANSWER' });
});
