// DNS messages: what one is, and the strict reader (RFC 1035, 3597, 6891). Called by the server for queries and by the
// forwarder for answers.
import { ROOT, readName, type WireName } from './name.ts';

export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  MAILA: 254,
  ANY: 255,
} as const;

export const CLASS_IN = 1;

export const RCODE = { OK: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;

export const HEADER_BYTES = 12;

export interface Question {
  readonly name: WireName;
  readonly type: number;
  readonly class: number;
}

export interface ResourceRecord {
  readonly name: WireName;
  readonly type: number;
  readonly class: number;
  /** Seconds. */
  readonly ttl: number;
  /** Bytes, and the names among them, which may be written in short. */
  readonly data: readonly (Buffer | WireName)[];
}

export interface Edns {
  readonly udpSize: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

export interface Message {
  readonly id: number;
  readonly isResponse: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly authenticData: boolean;
  readonly checkingDisabled: boolean;
  /** With the upper bits that EDNS adds. */
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly ResourceRecord[];
  readonly authority: readonly ResourceRecord[];
  /** Without the OPT record. */
  readonly additional: readonly ResourceRecord[];
  readonly edns?: Edns;
}

/** Of known types: numbers of plain bytes, and `name`. Other types are bytes that nobody looks into. */
const LAYOUTS: Readonly<Record<number, readonly (number | 'name')[]>> = {
  [TYPE.A]: [4],
  [TYPE.AAAA]: [16],
  [TYPE.NS]: ['name'],
  [TYPE.CNAME]: ['name'],
  [TYPE.PTR]: ['name'],
  [TYPE.DNAME]: ['name'],
  [TYPE.MX]: [2, 'name'],
  [TYPE.SOA]: ['name', 'name', 20],
  [TYPE.SRV]: [6, 'name'],
};

class Reader {
  readonly bytes: Buffer;
  at = HEADER_BYTES;
  failed = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  name(): WireName {
    const read = readName(this.bytes, this.at);
    if (!read) this.failed = true;
    else this.at = read.end;
    return read?.name ?? ROOT;
  }

  number(size: 2 | 4): number {
    if (this.at + size > this.bytes.length) {
      this.failed = true;
      return 0;
    }
    this.at += size;
    return this.bytes.readUIntBE(this.at - size, size);
  }

  take(size: number): Buffer {
    if (this.at + size > this.bytes.length) this.failed = true;
    const piece = this.bytes.subarray(this.at, this.at + size);
    this.at += size;
    return piece;
  }
}

const readQuestion = (reader: Reader): Question => ({
  name: reader.name(),
  type: reader.number(2),
  class: reader.number(2),
});

const readData = (reader: Reader, type: number): (Buffer | WireName)[] => {
  const size = reader.number(2);
  const end = reader.at + size;
  if (end > reader.bytes.length) reader.failed = true;
  // An empty one is an update's way to say "none"; there is nothing of its type in it.
  const data = (LAYOUTS[type] ?? [size]).map((part) => {
    if (reader.failed) return ROOT;
    return part === 'name' ? reader.name() : reader.take(part);
  });
  if (reader.at !== end) reader.failed = true;
  return data;
};

const readRecord = (reader: Reader): ResourceRecord => {
  const name = reader.name();
  const type = reader.number(2);
  const recordClass = reader.number(2);
  const ttl = reader.number(4);
  // RFC 2181, 8: a time to live with its top bit set is none.
  return { name, type, class: recordClass, ttl: ttl > 0x7fffffff ? 0 : ttl, data: readData(reader, type) };
};

const readOpt = (reader: Reader): { edns: Edns; highBits: number } => {
  const name = reader.name();
  const type = reader.number(2);
  const udpSize = reader.number(2);
  const [highBits = 0, version = 0, flags = 0] = reader.take(4);
  const options = reader.take(reader.number(2));
  for (let at = 0; at < options.length; ) {
    // Each option is a code, a length and so many bytes.
    if (at + 4 > options.length) reader.failed = true;
    at += 4 + (reader.failed ? options.length : options.readUInt16BE(at + 2));
    if (at > options.length) reader.failed = true;
  }
  if (name !== ROOT || type !== TYPE.OPT) reader.failed = true;
  return { edns: { udpSize, version, dnssecOk: (flags & 0x80) !== 0 }, highBits };
};

const isOpt = ({ bytes, at }: Reader): boolean => {
  const name = readName(bytes, at);
  return name !== undefined && name.end + 2 <= bytes.length && bytes.readUInt16BE(name.end) === TYPE.OPT;
};

/** The message, or undefined where the bytes are not exactly one. */
export const parseMessage = (bytes: Buffer): Message | undefined => {
  if (bytes.length < HEADER_BYTES) return;
  const flags = bytes.readUInt16BE(2);
  const count = (index: number) => bytes.readUInt16BE(4 + 2 * index);
  const reader = new Reader(bytes);
  const list = <T>(length: number, read: (reader: Reader) => T): T[] => {
    const items: T[] = [];
    while (items.length < length && !reader.failed) items.push(read(reader));
    return items;
  };
  const questions = list(count(0), readQuestion);
  const answers = list(count(1), readRecord);
  const authority = list(count(2), readRecord);
  const additional: ResourceRecord[] = [];
  let opt: ReturnType<typeof readOpt> | undefined;
  for (let i = count(3); i > 0 && !reader.failed; i--) {
    if (!isOpt(reader)) additional.push(readRecord(reader));
    else if (opt) reader.failed = true;
    else opt = readOpt(reader);
  }
  if (reader.failed || reader.at !== bytes.length) return;
  if ([...answers, ...authority].some(({ type }) => type === TYPE.OPT)) return;
  return {
    id: bytes.readUInt16BE(0),
    isResponse: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    authoritative: (flags & 0x400) !== 0,
    truncated: (flags & 0x200) !== 0,
    recursionDesired: (flags & 0x100) !== 0,
    recursionAvailable: (flags & 0x80) !== 0,
    authenticData: (flags & 0x20) !== 0,
    checkingDisabled: (flags & 0x10) !== 0,
    rcode: (flags & 15) | ((opt?.highBits ?? 0) << 4),
    questions,
    answers,
    authority,
    additional,
    ...(opt && { edns: opt.edns }),
  };
};
