// Asks another server one question: over UDP, and over TCP where its answer does not fit. Called by forwarder.ts.
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { encodeMessage } from './encode.ts';
import { CLASS_IN, HEADER_BYTES, type Message, parseMessage, type Question } from './message.ts';
import { foldCase } from './name.ts';

export interface DnsServerAddress {
  readonly address: string;
  readonly port: number;
}

export interface Asked {
  readonly name: string;
  readonly type: number;
  readonly dnssecOk: boolean;
  readonly checkingDisabled: boolean;
}

export interface ExchangeContext {
  readonly clock: Clock;
  /** Must not be guessable: ids of questions are drawn from it. */
  readonly random: Random;
  /** Called for each answer that was not to the question that was asked. */
  onStray(): void;
  /** How to end each exchange that is under way. */
  readonly running: Set<() => void>;
}

/** What the path takes without fragments (DNS flag day 2020). */
export const EDNS_BYTES = 1232;
/** Of answers to something else; then somebody is guessing, and UDP is not trusted with this question. */
const MAX_STRAYS = 8;

const queryOf = ({ name, type, dnssecOk, checkingDisabled }: Asked, id: number): Message => ({
  id,
  isResponse: false,
  opcode: 0,
  authoritative: false,
  truncated: false,
  recursionDesired: true,
  recursionAvailable: false,
  authenticData: false,
  checkingDisabled,
  rcode: 0,
  questions: [{ name, type, class: CLASS_IN }],
  answers: [],
  authority: [],
  additional: [],
  edns: { udpSize: EDNS_BYTES, version: 0, dnssecOk },
});

const isSame = (one: Question | undefined, other: Question): boolean =>
  one !== undefined &&
  one.type === other.type &&
  one.class === other.class &&
  foldCase(one.name) === foldCase(other.name);

/** The answer to this very question, or undefined. */
const answerTo = (query: Message, bytes: Buffer): Message | undefined => {
  const message = parseMessage(bytes);
  if (!message?.isResponse || message.opcode !== 0 || message.id !== query.id) return;
  return message.questions.length === 1 && isSame(message.questions[0], query.questions[0]!) ? message : undefined;
};

/** One socket, and so one source port, for each question; bound to its server, so that others are not heard. */
const askByUdp = (
  { address, port }: DnsServerAddress,
  query: Message,
  timeoutMs: number,
  context: ExchangeContext,
): Promise<Message | 'strays' | undefined> =>
  new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    let strays = 0;
    let isDone = false;
    const done = (result: Message | 'strays' | undefined): void => {
      if (isDone) return;
      isDone = true;
      timer.cancel();
      context.running.delete(abort);
      socket.close();
      resolve(result);
    };
    const abort = () => done(undefined);
    const timer = context.clock.after(timeoutMs, abort);
    context.running.add(abort);
    socket.on('error', abort);
    socket.on('message', (bytes) => {
      const answer = answerTo(query, bytes);
      if (answer) return done(answer);
      context.onStray();
      if (++strays >= MAX_STRAYS) done('strays');
    });
    socket.connect(port, address, () => {
      if (!isDone) socket.send(encodeMessage(query));
    });
  });

const askByTcp = (
  { address, port }: DnsServerAddress,
  query: Message,
  timeoutMs: number,
  context: ExchangeContext,
): Promise<Message | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port });
    let held: Buffer = Buffer.alloc(0);
    const done = (result: Message | undefined): void => {
      timer.cancel();
      context.running.delete(abort);
      socket.destroy();
      resolve(result);
    };
    const abort = () => done(undefined);
    const timer = context.clock.after(timeoutMs, abort);
    context.running.add(abort);
    socket.on('error', abort);
    socket.on('close', abort);
    socket.on('connect', () => socket.write(framed(encodeMessage(query))));
    socket.on('data', (bytes: Buffer) => {
      held = held.length > 0 ? Buffer.concat([held, bytes]) : bytes;
      if (held.length < 2) return;
      const size = held.readUInt16BE(0);
      if (size < HEADER_BYTES) return done(undefined);
      if (held.length < 2 + size) return;
      const answer = answerTo(query, held.subarray(2, 2 + size));
      if (!answer) context.onStray();
      done(answer);
    });
  });

/** A message as TCP carries it. */
export const framed = (message: Buffer): Buffer => {
  const frame = Buffer.allocUnsafe(2 + message.length);
  frame.writeUInt16BE(message.length, 0);
  message.copy(frame, 2);
  return frame;
};

/** The server's answer; undefined where it gave none in time, or none that can be read. */
export const ask = async (
  server: DnsServerAddress,
  asked: Asked,
  timeoutMs: number,
  context: ExchangeContext,
): Promise<Message | undefined> => {
  const next = () => queryOf(asked, Math.floor(context.random.next() * 65_536));
  const answer = await askByUdp(server, next(), timeoutMs, context);
  if (answer !== 'strays' && !answer?.truncated) return answer;
  return askByTcp(server, next(), timeoutMs, context);
};
