// Turns the bytes of a question into those of its answer: names of the mesh from its table, others from other servers.
// Called by listen.ts for UDP and TCP.
import type { NameRecord } from '../../model/name-record.ts';
import type { Answer } from './cache.ts';
import type { DnsCounts } from './counts.ts';
import { encodeMessage } from './encode.ts';
import { EDNS_BYTES } from './exchange.ts';
import type { Forwarder } from './forwarder.ts';
import {
  CLASS_IN,
  HEADER_BYTES,
  type Message,
  parseMessage,
  type Question,
  RCODE,
  type ResourceRecord,
  TYPE,
} from './message.ts';
import { NameTable, type NameTableOptions } from './name-table.ts';

export interface Client {
  readonly address: string;
  readonly transport: 'udp' | 'tcp';
}

/** What a client takes over UDP that does not say so (RFC 1035, 4.2.1). */
const PLAIN_UDP_BYTES = 512;

const NOTHING: Answer = { rcode: RCODE.OK, answers: [], authority: [], additional: [], authenticData: false };

const failing = (rcode: number): Answer => ({ ...NOTHING, rcode });

const SERVFAIL = failing(RCODE.SERVFAIL);

/** RFC 8482: who asks for everything gets one small record, as nobody needs more. */
const refuseAny = ({ name }: Question): Answer => {
  const text = (value: string) => Buffer.from(`${String.fromCharCode(value.length)}${value}`, 'latin1');
  const hinfo = { name, type: TYPE.HINFO, class: CLASS_IN, ttl: 3600, data: [text('RFC8482'), text('')] };
  return { ...NOTHING, answers: [hinfo] };
};

/** Why a message is not a question that is answered here, as a response code. */
const refusalOf = (query: Message): number | undefined => {
  if (query.opcode !== 0) return RCODE.NOTIMP;
  const [question] = query.questions;
  if (!question || query.questions.length > 1 || query.answers.length > 0 || query.authority.length > 0) {
    return RCODE.FORMERR;
  }
  if (query.edns && query.edns.version !== 0) return RCODE.BADVERS;
  if (question.class !== CLASS_IN) return RCODE.REFUSED;
  if (question.type === TYPE.OPT) return RCODE.FORMERR;
  // Transfers of whole zones.
  return question.type >= TYPE.IXFR && question.type <= TYPE.MAILA ? RCODE.REFUSED : undefined;
};

/** An answer to what could not be read: nothing of it can be repeated but its id. */
const unreadable = (bytes: Buffer): Buffer => {
  const answer = Buffer.alloc(HEADER_BYTES);
  bytes.copy(answer, 0, 0, 2);
  answer[2] = 0x80 | ((bytes[2] ?? 0) & 0x79);
  answer[3] = 0x80 | RCODE.FORMERR;
  return answer;
};

export class Resolver {
  readonly #tableOptions: NameTableOptions;
  readonly #forwarder: Forwarder;
  readonly #counts: DnsCounts;
  #table: NameTable;

  constructor(tableOptions: NameTableOptions, forwarder: Forwarder, counts: DnsCounts) {
    this.#tableOptions = tableOptions;
    this.#forwarder = forwarder;
    this.#counts = counts;
    this.#table = new NameTable(new Map(), tableOptions);
  }

  get names(): number {
    return this.#table.size;
  }

  update(names: ReadonlyMap<string, NameRecord>): void {
    this.#table = new NameTable(names, this.#tableOptions);
  }

  /** Undefined: what came is not answered at all. */
  async answer(bytes: Buffer, client: Client): Promise<Buffer | undefined> {
    const counts = this.#counts;
    // An answer to an answer could go to and fro for ever.
    if (bytes.length < HEADER_BYTES || (bytes[2]! & 0x80) !== 0) {
      counts.invalid++;
      return;
    }
    counts.requests++;
    if (client.transport === 'tcp') counts.requestsOverTcp++;
    const query = parseMessage(bytes);
    if (!query) {
      counts.invalid++;
      return unreadable(bytes);
    }
    const { answer, authoritative } = await this.#resolve(query, client);
    if (answer.rcode === RCODE.SERVFAIL) counts.servfail++;
    if (answer.rcode === RCODE.NXDOMAIN) counts.nxdomain++;
    return this.#encode(query, answer, authoritative, client);
  }

  #encode(query: Message, answer: Answer, authoritative: boolean, { transport }: Client): Buffer {
    const { id, opcode, recursionDesired, checkingDisabled, questions, edns } = query;
    const limit = Math.max(PLAIN_UDP_BYTES, Math.min(edns?.udpSize ?? PLAIN_UDP_BYTES, EDNS_BYTES));
    const reply: Message = {
      ...answer,
      id,
      opcode,
      isResponse: true,
      authoritative,
      truncated: false,
      recursionDesired,
      recursionAvailable: true,
      checkingDisabled,
      questions: questions.slice(0, 1),
      ...(edns && { edns: { udpSize: EDNS_BYTES, version: 0, dnssecOk: edns.dnssecOk } }),
    };
    const encoded = encodeMessage(reply, transport === 'udp' ? limit : undefined);
    if ((encoded[2]! & 2) !== 0) this.#counts.truncated++;
    return encoded;
  }

  async #resolve(query: Message, client: Client): Promise<{ answer: Answer; authoritative: boolean }> {
    const refusal = refusalOf(query);
    if (refusal !== undefined) return { answer: failing(refusal), authoritative: false };
    const question = query.questions[0]!;
    const local = this.#table.look(question);
    if (local) {
      this.#counts.local++;
      const own: Answer = { ...local, authenticData: false };
      return local.target === undefined
        ? { answer: own, authoritative: true }
        : {
            answer: await this.#follow(own.answers, { ...question, name: local.target }, query, client),
            authoritative: false,
          };
    }
    if (question.type === TYPE.ANY) return { answer: refuseAny(question), authoritative: false };
    return { answer: await this.#forward(question, query, client), authoritative: false };
  }

  /** What an alias leads to: another name of the mesh, or one of the world; not a further alias of the mesh. */
  async #follow(
    aliases: readonly ResourceRecord[],
    question: Question,
    query: Message,
    client: Client,
  ): Promise<Answer> {
    const local = this.#table.look(question);
    if (local?.target !== undefined) return SERVFAIL;
    const found = local ? { ...local, authenticData: false } : await this.#forward(question, query, client);
    return { ...found, answers: [...aliases, ...found.answers] };
  }

  async #forward({ name, type }: Question, query: Message, client: Client): Promise<Answer> {
    // Who wants to know only what is known here.
    if (!query.recursionDesired) return failing(RCODE.REFUSED);
    const { checkingDisabled, edns } = query;
    const asked = { name, type, checkingDisabled, dnssecOk: edns?.dnssecOk ?? false };
    const found = (await this.#forwarder.resolve(asked, client.address)) ?? SERVFAIL;
    // With the letters of the question as they came: some clients check them.
    return { ...found, answers: found.answers.map((one) => (sameName(one, name) ? { ...one, name } : one)) };
  }
}

const sameName = (record: ResourceRecord, name: string): boolean =>
  record.name !== name && record.name.length === name.length && record.name.toLowerCase() === name.toLowerCase();
