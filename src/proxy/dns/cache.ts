// Keeps answers of other servers as long as these allow, within bounds. Used by forwarder.ts.
import type { Clock } from '../../lib/clock.ts';
import { type Message, RCODE, type ResourceRecord, TYPE } from './message.ts';

const MAX_ENTRIES = 8192;
/** Of all records together: an answer can hold thousands. */
const MAX_RECORDS = 65_536;
/** Seconds, for answers and for "there is none". */
const MAX_TTL = 3600;
const MAX_NEGATIVE_TTL = 300;

/** What is kept of an answer. */
export type Answer = Pick<Message, 'rcode' | 'answers' | 'authority' | 'additional' | 'authenticData'>;

interface Entry {
  readonly answer: Answer;
  readonly storedAt: number;
  readonly endsAt: number;
  readonly records: number;
}

const sizeOf = ({ answers, authority, additional }: Answer): number =>
  1 + answers.length + authority.length + additional.length;

/** Seconds; 0: not kept. */
export const ttlOf = ({ rcode, answers, authority, additional }: Answer): number => {
  const least = (records: readonly ResourceRecord[], bound: number) =>
    records.reduce((ttl, record) => Math.min(ttl, record.ttl), bound);
  if (rcode === RCODE.OK && answers.length > 0) return least([...answers, ...authority, ...additional], MAX_TTL);
  if (rcode !== RCODE.OK && rcode !== RCODE.NXDOMAIN) return 0;
  // RFC 2308, 5: without an SOA nobody says for how long.
  const soa = authority.find(({ type }) => type === TYPE.SOA);
  const numbers = soa?.data[2];
  if (!soa || !Buffer.isBuffer(numbers)) return 0;
  return least([...answers, soa], Math.min(MAX_NEGATIVE_TTL, numbers.readUInt32BE(16)));
};

const older = (records: readonly ResourceRecord[], seconds: number): ResourceRecord[] =>
  records.map((record) => ({ ...record, ttl: Math.max(0, record.ttl - seconds) }));

export class AnswerCache {
  readonly #clock: Clock;
  /** The one used longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #records = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** With what is left of the times to live. */
  get(key: string): Answer | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return;
    const now = this.#clock.monotonic();
    this.#delete(key, entry);
    if (now >= entry.endsAt) return;
    this.#put(key, entry);
    const seconds = Math.floor((now - entry.storedAt) / 1000);
    const { answer } = entry;
    return {
      ...answer,
      answers: older(answer.answers, seconds),
      authority: older(answer.authority, seconds),
      additional: older(answer.additional, seconds),
    };
  }

  set(key: string, answer: Answer): void {
    const ttl = ttlOf(answer);
    const old = this.#entries.get(key);
    if (old) this.#delete(key, old);
    if (ttl <= 0) return;
    const storedAt = this.#clock.monotonic();
    this.#put(key, { answer, storedAt, endsAt: storedAt + 1000 * ttl, records: sizeOf(answer) });
    while (this.#entries.size > MAX_ENTRIES || this.#records > MAX_RECORDS) {
      const [first] = this.#entries;
      this.#delete(...first!);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#records = 0;
  }

  #put(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#records += entry.records;
  }

  #delete(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#records -= entry.records;
  }
}
