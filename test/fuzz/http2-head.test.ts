// Property tests of HTTP/2's heads: whatever fields come, what is taken can be written as HTTP/1 and is read back as the same
// message by the other parser, so that no two readers can disagree.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FieldNames } from '../../src/proxy/http1/fields.ts';
import { HeadParser, Refusal, RequestMessage } from '../../src/proxy/http1/head.ts';
import { Http2HeadParser } from '../../src/proxy/http2/head.ts';
import { requestText } from '../../src/proxy/upstream/upstream-request.ts';
import { type Draw, fuzz, pickFrom } from './budget.ts';

const names = new FieldNames();
const http2 = new Http2HeadParser(names);
const http1 = new HeadParser(names, { maxFields: 200 });

const VALUES: Readonly<Record<string, readonly string[]>> = {
  ':method': ['GET', 'POST', 'OPTIONS', 'CONNECT', 'get', 'X-Y', 'G T'],
  ':scheme': ['http', 'https', 'HTTP', 'ftp'],
  ':path': ['/', '/a?b=c', '*', '', 'a', '//x', '/a b', '/\r\n', '/#', 'http://a/'],
  ':authority': ['a', 'a:80', 'A.b', '[::1]:8', 'u@a', 'a b', '', 'a:99999'],
  ':protocol': ['websocket', 'x y'],
  host: ['a', 'b', 'a:80', ''],
  cookie: ['a=b', '', 'c'],
  te: ['trailers', 'gzip'],
  'content-length': ['0', '5', '+5', '5, 5', '00005', '99999999999999999999'],
  expect: ['100-continue', 'x'],
  connection: ['close'],
  'transfer-encoding': ['chunked'],
};
const LETTERS = 'aZ_-:. \t\r\n\0\x7f\xe9,;"';

const drawText = (draw: Draw, most: number): string =>
  Array.from({ length: draw(most) }, () => pickFrom(draw, [...LETTERS])).join('');

const drawField = (draw: Draw): [string, string] => {
  const name = draw(4) === 0 ? drawText(draw, 6) : pickFrom(draw, [...Object.keys(VALUES), 'x', 'accept']);
  const known = VALUES[name];
  return [name, known && draw(8) > 0 ? pickFrom(draw, known) : drawText(draw, 8)];
};

const drawRequest = (draw: Draw): string[] => {
  const fields: string[] = [];
  for (const name of [':method', ':scheme', ':path', ':authority']) {
    if (draw(20) > 0) fields.push(name, draw(3) > 0 ? VALUES[name]![0]! : pickFrom(draw, VALUES[name]!));
  }
  for (let n = draw(4); n > 0; n--) fields.push(...drawField(draw));
  return fields;
};

const essence = ({ method, path, query, host, headers, contentLength, teTrailers }: RequestMessage) => {
  return { method, path, query, host, headers, contentLength, teTrailers };
};

it('a request that is taken says the same as HTTP/1', () => {
  let taken = 0;
  fuzz(20_000, 1, (draw) => {
    const fields = drawRequest(draw);
    const message = http2.request(fields);
    if (message instanceof Refusal || message.form === 'authority' || message.protocol !== '') return;
    taken++;
    const text = requestText(message);
    const end = text.indexOf('\r\n\r\n');
    assert.equal(end, text.length - 4, 'one head');
    const again = http1.request(text, 0, end);
    assert.ok(again instanceof RequestMessage, `HTTP/1 refuses ${JSON.stringify(text)}`);
    assert.deepEqual(essence(again), essence(message));
  });
  assert.ok(taken > 1000, `${taken} were taken`);
});

it('answers and trailers that are taken hold nothing that ends a line', () => {
  fuzz(20_000, 2, (draw) => {
    const fields = [':status', pickFrom(draw, ['200', '204', '99', '1000', '2e2', '101'])];
    for (let n = draw(4); n > 0; n--) fields.push(...drawField(draw));
    const answer = http2.response(fields);
    const trailers = http2.trailers(fields.slice(2)) ?? [];
    const kept = answer instanceof Refusal ? trailers : [...answer.headers, ...trailers];
    for (const text of kept) assert.ok(!/[\r\n\0]/.test(text));
    for (let i = 0; i < kept.length; i += 2) assert.match(kept[i]!, /^[!#$%&'*+\-.^_`|~0-9a-z]+$/);
  });
});
