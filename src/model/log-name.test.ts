import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLogName, type LogName, parseLogName } from './log-name.ts';

const names: Record<string, LogName> = {
  'weft/inbound/http/shop/reviews/9080': {
    direction: 'inbound',
    protocol: 'http',
    service: { namespace: 'shop', name: 'reviews', port: 9080 },
  },
  'weft/outbound/tunnel': { direction: 'outbound', protocol: 'tunnel' },
};

for (const [text, name] of Object.entries(names)) {
  test(`${text} is written and read`, () => {
    assert.equal(formatLogName(name), text);
    assert.deepEqual(parseLogName(text), name);
  });
}

for (const text of ['', 'weft', 'weft/sideways/http', 'weft/inbound/http/shop', 'weft/inbound/http/a/b/x', 'envoy']) {
  test(`"${text}" is no name of ours`, () => assert.equal(parseLogName(text), undefined));
}
