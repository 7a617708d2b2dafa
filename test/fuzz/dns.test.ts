// Property tests of the reader of DNS messages and of the resolver behind it: no bytes make either fail, and what is taken
// reads the same when written again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { DnsCounts } from '../../src/proxy/dns/counts.ts';
import { encodeMessage } from '../../src/proxy/dns/encode.ts';
import { Forwarder } from '../../src/proxy/dns/forwarder.ts';
import {
  CLASS_IN,
  HEADER_BYTES,
  type Message,
  parseMessage,
  type ResourceRecord,
  TYPE,
} from '../../src/proxy/dns/message.ts';
import { foldCase, MAX_NAME, readName, type WireName, wireNameOf } from '../../src/proxy/dns/name.ts';
import { Resolver } from '../../src/proxy/dns/resolver.ts';
import { type Draw, fuzz, mutate, pickFrom } from './budget.ts';

const drawName = (draw: Draw): WireName => {
  const labels = Array.from({ length: draw(6) }, () =>
    Array.from({ length: 1 + draw(12) }, () => String.fromCharCode(draw(256))).join(''),
  );
  return `${labels.map((label) => String.fromCharCode(label.length) + label).join('')}\0`;
};

const drawData = (draw: Draw, type: number, name: WireName): ResourceRecord['data'] => {
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => draw(256)));
  switch (type) {
    case TYPE.A:
      return [bytes(4)];
    case TYPE.AAAA:
      return [bytes(16)];
    case TYPE.CNAME:
    case TYPE.DNAME:
      return [name];
    case TYPE.MX:
      return [bytes(2), name];
    case TYPE.SOA:
      return [name, drawName(draw), bytes(20)];
    case TYPE.SRV:
      return [bytes(6), name];
    default:
      return [bytes(draw(40))];
  }
};

const TYPES = [TYPE.A, TYPE.AAAA, TYPE.CNAME, TYPE.DNAME, TYPE.MX, TYPE.SOA, TYPE.SRV, 16, 46];

const drawMessage = (draw: Draw): Message => {
  const names = [drawName(draw), drawName(draw), wireNameOf('reviews.default.svc.cluster.local')!];
  const records = (most: number): ResourceRecord[] =>
    Array.from({ length: draw(most) }, () => {
      const [type, name, other] = [pickFrom(draw, TYPES), pickFrom(draw, names), pickFrom(draw, names)];
      return { name, type, class: CLASS_IN, ttl: draw(100_000), data: drawData(draw, type, other) };
    });
  const bit = () => draw(2) === 1;
  return {
    id: draw(65_536),
    isResponse: bit(),
    opcode: draw(16),
    authoritative: bit(),
    truncated: bit(),
    recursionDesired: bit(),
    recursionAvailable: bit(),
    authenticData: bit(),
    checkingDisabled: bit(),
    rcode: draw(16),
    questions: Array.from({ length: draw(3) }, () => ({ name: pickFrom(draw, names), type: draw(300), class: 1 })),
    answers: records(6),
    authority: records(3),
    additional: records(3),
    ...(bit() && { edns: { udpSize: draw(65_536), version: draw(3), dnssecOk: bit() } }),
  };
};

test('a message reads as it was written, in bytes that are no more than a limit', () => {
  fuzz(1500, 61, (draw) => {
    const message = drawMessage(draw);
    assert.deepEqual(parseMessage(encodeMessage(message)), message);
    const limit = 512 + draw(1000);
    const short = encodeMessage(message, limit);
    const read = parseMessage(short);
    assert.ok(read, 'what was cut short is whole');
    // Three questions with long names fit in what every client takes.
    assert.ok(short.length <= limit);
    assert.ok(read.truncated || read.answers.length === message.answers.length);
  });
});

test('no bytes make the reader throw, and what it takes is the same when written again', () => {
  fuzz(4000, 67, (draw) => {
    const bytes = mutate(draw, encodeMessage(drawMessage(draw)));
    const message = parseMessage(bytes);
    if (message) assert.deepEqual(parseMessage(encodeMessage(message)), message);
  });
});

test('a name that is read ends, within its bounds, whatever its pointers say', () => {
  fuzz(4000, 71, (draw) => {
    const bytes = Buffer.from(
      Array.from({ length: 2 + draw(300) }, () => pickFrom(draw, [0xc0, 0, 1, 2, 63, draw(256)])),
    );
    const read = readName(bytes, draw(bytes.length));
    if (!read) return;
    assert.ok(read.name.length <= MAX_NAME);
    assert.ok(read.end <= bytes.length);
    assert.equal(read.name.at(-1), '\0');
    assert.equal(foldCase(read.name).length, read.name.length);
  });
});

test('whatever a client sends, it gets an answer that can be read, or none', async () => {
  const counts = new DnsCounts();
  const common = { clock: systemClock, random: { next: () => 0 }, log: silentLog };
  const forwarder = new Forwarder({ ...common, counts, servers: [], resolvConf: '/dev/null', isSelf: () => false });
  const resolver = new Resolver(
    { ...common, namespace: 'default', ttl: 30, zoneIsShared: () => false },
    forwarder,
    counts,
  );
  const name = 'reviews.default.svc.cluster.local';
  resolver.update(new Map([[name, { name, aliases: [], addresses: ['10.0.0.1'], ports: [] }]]));
  const messages: Buffer[] = [];
  fuzz(1500, 73, (draw) => {
    const message = {
      ...drawMessage(draw),
      isResponse: draw(8) === 0,
      ...(draw(2) === 1 && { opcode: 0, answers: [] }),
    };
    messages.push(draw(2) === 1 ? encodeMessage(message) : mutate(draw, encodeMessage(message)));
    if (messages.length > 1500) messages.shift();
  });
  for (const bytes of messages) {
    const answer = await resolver.answer(bytes, { address: '127.0.0.1', transport: 'udp' });
    assert.equal(answer === undefined, bytes.length < HEADER_BYTES || (bytes[2]! & 0x80) !== 0);
    if (!answer) continue;
    assert.equal(parseMessage(answer)?.id, bytes.readUInt16BE(0));
    assert.ok(answer.length <= 1232);
  }
});
