// Writes DNS messages, names in short where that is allowed, and never more than the reader takes. Called by the server
// and the forwarder.
import { type Message, type Question, type ResourceRecord, TYPE } from './message.ts';
import { parentOf, ROOT, type WireName } from './name.ts';

const MAX_MESSAGE = 65_535;
/** A pointer has 14 bits. */
const MAX_POINTER = 0x3fff;

/** RFC 3597, 4: in the data of newer types names stand in full. */
const SHORTENED: ReadonlySet<number> = new Set([TYPE.NS, TYPE.CNAME, TYPE.PTR, TYPE.MX, TYPE.SOA]);

class Writer {
  #bytes = Buffer.allocUnsafe(512);
  length = 0;
  readonly #places = new Map<WireName, number>();

  #room(size: number): Buffer {
    if (this.length + size > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.length + size));
      this.#bytes.copy(larger, 0, 0, this.length);
      this.#bytes = larger;
    }
    this.length += size;
    return this.#bytes;
  }

  u16(value: number): void {
    this.#room(2).writeUInt16BE(value, this.length - 2);
  }

  u32(value: number): void {
    this.#room(4).writeUInt32BE(value, this.length - 4);
  }

  raw(bytes: Buffer): void {
    this.#room(bytes.length).set(bytes, this.length - bytes.length);
  }

  text(latin1: string): void {
    this.#room(latin1.length).write(latin1, this.length - latin1.length, 'latin1');
  }

  /** Ends in a pointer to the longest part that was written before; the case of letters stays. */
  name(name: WireName, shortened = true): void {
    let rest = name;
    for (; rest !== ROOT; rest = parentOf(rest)) {
      const place = this.#places.get(rest);
      if (place !== undefined && shortened) {
        this.u16(0xc000 | place);
        return;
      }
      if (place === undefined && this.length <= MAX_POINTER) this.#places.set(rest, this.length);
      this.text(rest.slice(0, 1 + rest.charCodeAt(0)));
    }
    this.text(ROOT);
  }

  patchU16(at: number, value: number): void {
    this.#bytes.writeUInt16BE(value, at);
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }
}

const flagsOf = (message: Message): number =>
  (message.isResponse ? 0x8000 : 0) |
  (message.opcode << 11) |
  (message.authoritative ? 0x400 : 0) |
  (message.truncated ? 0x200 : 0) |
  (message.recursionDesired ? 0x100 : 0) |
  (message.recursionAvailable ? 0x80 : 0) |
  (message.authenticData ? 0x20 : 0) |
  (message.checkingDisabled ? 0x10 : 0) |
  (message.rcode & 15);

const writeQuestion = (writer: Writer, { name, type, class: questionClass }: Question): void => {
  writer.name(name);
  writer.u16(type);
  writer.u16(questionClass);
};

const writeRecord = (writer: Writer, { name, type, class: recordClass, ttl, data }: ResourceRecord): void => {
  writer.name(name);
  writer.u16(type);
  writer.u16(recordClass);
  writer.u32(ttl);
  const at = writer.length;
  writer.u16(0);
  for (const part of data) {
    if (typeof part === 'string') writer.name(part, SHORTENED.has(type));
    else writer.raw(part);
  }
  writer.patchU16(at, writer.length - at - 2);
};

const encode = (message: Message): Buffer => {
  const { edns, questions, answers, authority, additional } = message;
  const writer = new Writer();
  writer.u16(message.id);
  writer.u16(flagsOf(message));
  for (const count of [questions.length, answers.length, authority.length, additional.length + (edns ? 1 : 0)]) {
    writer.u16(count);
  }
  for (const question of questions) writeQuestion(writer, question);
  for (const record of [...answers, ...authority, ...additional]) writeRecord(writer, record);
  if (edns) {
    writer.text(ROOT);
    writer.u16(TYPE.OPT);
    writer.u16(edns.udpSize);
    writer.u16(((message.rcode >> 4) << 8) | edns.version);
    writer.u16(edns.dnssecOk ? 0x8000 : 0);
    writer.u16(0);
  }
  return writer.done();
};

/** At most `limit` bytes: first without what was added, then without records and marked as truncated. */
export const encodeMessage = (message: Message, limit: number = MAX_MESSAGE): Buffer => {
  const whole = encode(message);
  if (whole.length <= limit) return whole;
  const bare = message.additional.length > 0 ? encode({ ...message, additional: [] }) : whole;
  if (bare.length <= limit) return bare;
  return encode({ ...message, truncated: true, answers: [], authority: [], additional: [] });
};
