// A name server for tests: answers questions over UDP and TCP as a function says, on one port of 127.0.0.1.
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { encodeMessage } from '../../src/proxy/dns/encode.ts';
import { listenDns } from '../../src/proxy/dns/listen.ts';
import { CLASS_IN, type Message, parseMessage, type Question, TYPE } from '../../src/proxy/dns/message.ts';
import { nameText, wireNameOf } from '../../src/proxy/dns/name.ts';
import type { Client } from '../../src/proxy/dns/resolver.ts';

export interface FakeDnsServer {
  readonly address: string;
  readonly port: number;
  /** `<type> <name> <transport>` of each question. */
  readonly asked: string[];
  close(): Promise<void>;
}

type Reply = Partial<Message> | 'silence';

/** What a server says of a question; absent parts are those of a plain answer. */
export const openFakeDnsServer = async (
  reply: (question: Question, client: Client) => Reply | Promise<Reply>,
): Promise<FakeDnsServer> => {
  const asked: string[] = [];
  const answer = async (bytes: Buffer, client: Client): Promise<Buffer | undefined> => {
    const query = parseMessage(bytes);
    const question = query?.questions[0];
    if (!query || !question) return;
    asked.push(`${question.type} ${nameText(question.name)} ${client.transport}`);
    const parts = await reply(question, client);
    return parts === 'silence'
      ? undefined
      : encodeMessage({ ...query, isResponse: true, recursionAvailable: true, ...parts });
  };
  const bound = await listenDns({ address: '127.0.0.1', port: 0 }, answer, systemClock, silentLog);
  return { address: bound.address, port: bound.port, asked, close: () => bound.close() };
};

export const aRecord = (name: string, address: string, ttl = 60) => ({
  name,
  type: TYPE.A,
  class: CLASS_IN,
  ttl,
  data: [Buffer.from(address.split('.').map(Number))],
});

export const soaRecord = (zone: string, ttl: number, minimum: number) => {
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(minimum, 16);
  const name = wireNameOf(zone)!;
  return { name, type: TYPE.SOA, class: CLASS_IN, ttl, data: [name, name, numbers] };
};
