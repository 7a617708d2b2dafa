// Splits a byte stream into JSON values, one per line (watches, flows). Lines are bounded. Used by client.ts.
import { WeftError } from '../lib/errors.ts';

const MAX_LINE_BYTES = 16 * 1024 * 1024;

const parseLine = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new WeftError('CLIENT_BAD_ANSWER', 'the API sent a line that is not JSON', { cause });
  }
};

/** Each line of the stream as a parsed value; a cut last line is dropped, as the stream broke inside it. */
export async function* parseJsonLines(chunks: AsyncIterable<Buffer>, limit = MAX_LINE_BYTES): AsyncGenerator<unknown> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      start = end + 1;
      const line = Buffer.concat(parts).toString('utf8').trim();
      parts = [];
      size = 0;
      if (line !== '') yield parseLine(line);
    }
    const rest = chunk.subarray(start);
    size += rest.length;
    if (size > limit) throw new WeftError('CLIENT_BAD_ANSWER', `the API sent a line over ${limit} bytes`);
    if (rest.length) parts.push(rest);
  }
}
