// HPACK encoder (RFC 7541): names and values in, latin1 text out, as frames are gathered. One per HTTP/2 connection.
import { DEFAULT_TABLE_SIZE, ENTRY_OVERHEAD, STATIC_ENTRIES, STATIC_TABLE } from './hpack-static.ts';

/** What is known of a field's name. */
interface Slot {
  /** Index of an entry with this name in the static table; 0 where there is none. */
  readonly index: number;
  /** Whether its values may stand in a table at all. */
  readonly secret: boolean;
  /** Indexes in the static table by value. */
  readonly fixed: ReadonlyMap<string, number> | undefined;
  /** Entries of the dynamic table by value: how many had been added before each. */
  added: Map<string, number> | undefined;
  /** The value of the last field: what comes twice is worth an entry, what is new each time isn't. */
  last: string;
}

// The table must not tell an attacker who can mix fields of his own into a connection what these hold (RFC 7541, 7.1.3).
const SECRETS = new Set([
  'authorization',
  'proxy-authorization',
  'set-cookie',
  'proxy-authenticate',
  'www-authenticate',
]);
/** A cookie shorter than this can be guessed piece by piece. */
const SHORT_COOKIE = 20;
const MAX_SLOTS = 256;
const MAX_INDEXED_LENGTH = 1024;

const STATIC_SLOTS = new Map<string, Omit<Slot, 'added' | 'last'>>();
for (let i = STATIC_ENTRIES; i > 0; i--) {
  const name = STATIC_TABLE[2 * i - 2]!;
  const value = STATIC_TABLE[2 * i - 1]!;
  const fixed = new Map(STATIC_SLOTS.get(name)?.fixed);
  if (value !== '') fixed.set(value, i);
  STATIC_SLOTS.set(name, { index: i, secret: SECRETS.has(name), fixed: fixed.size > 0 ? fixed : undefined });
}

const makeSlot = (name: string): Slot => {
  const known = STATIC_SLOTS.get(name);
  return {
    index: known?.index ?? 0,
    secret: known?.secret ?? false,
    fixed: known?.fixed,
    added: undefined,
    last: '',
  };
};

/** An integer after the bits of `first`, which leaves it those of `mask` (RFC 7541, 5.1). */
const integer = (first: number, mask: number, value: number): string => {
  if (value < mask) return String.fromCharCode(first | value);
  let text = String.fromCharCode(first | mask);
  let rest = value - mask;
  for (; rest >= 128; rest >>>= 7) text += String.fromCharCode((rest & 127) | 128);
  return text + String.fromCharCode(rest);
};

/** Strings go out as they are: Huffman's code costs more time than the bytes that it saves. */
const literal = (text: string): string => integer(0, 0x7f, text.length) + text;

export class HpackEncoder {
  readonly #slots = new Map<string, Slot>();
  /** Names and values of the entries, the oldest first; those before `#oldest` are gone. */
  #entries: string[] = [];
  #oldest = 0;
  /** How many entries have been added before the first one in `#entries`. */
  #dropped = 0;
  #size = 0;
  #maxSize = DEFAULT_TABLE_SIZE;
  /** The smallest size since the last block, to be told before the present one; -1 when nothing changed. */
  #smallest = -1;

  /** Takes the peer's SETTINGS_HEADER_TABLE_SIZE; told to it at the start of the next block. */
  setMaxTableSize(peerSize: number): void {
    const size = Math.min(peerSize, DEFAULT_TABLE_SIZE);
    if (size === this.#maxSize && this.#smallest < 0) return;
    this.#smallest = this.#smallest < 0 ? size : Math.min(size, this.#smallest);
    this.#maxSize = size;
    this.#evict(size);
  }

  /** A whole block of flat names and values. */
  encode(fields: readonly string[]): string {
    let text = this.start();
    for (let i = 0; i < fields.length; i += 2) text += this.field(fields[i]!, fields[i + 1]!);
    return text;
  }

  /** What a block begins with; then come its fields, one by one. */
  start(): string {
    if (this.#smallest < 0) return '';
    const first = this.#smallest < this.#maxSize ? integer(0x20, 0x1f, this.#smallest) : '';
    this.#smallest = -1;
    return first + integer(0x20, 0x1f, this.#maxSize);
  }

  /** A field; its name is in lower case, both are latin1. */
  field(name: string, value: string): string {
    const slot = this.#slots.get(name) ?? this.#learn(name);
    const fixed = slot.fixed?.get(value);
    if (fixed !== undefined) return String.fromCharCode(0x80 | fixed);
    const added = slot.added?.get(value);
    if (added !== undefined) return integer(0x80, 0x7f, this.#indexOf(added));
    if (slot.secret || (name === 'cookie' && value.length < SHORT_COOKIE))
      return this.#plain(0x10, 0x0f, slot, name, value);
    if (slot.last !== value) {
      if (value.length <= MAX_INDEXED_LENGTH) slot.last = value;
      return this.#plain(0, 0x0f, slot, name, value);
    }
    const text = this.#plain(0x40, 0x3f, slot, name, value);
    this.#add(slot, name, value);
    return text;
  }

  #plain(first: number, mask: number, slot: Slot, name: string, value: string): string {
    let index = slot.index;
    if (index === 0 && slot.added !== undefined) {
      const [added] = slot.added.values();
      index = this.#indexOf(added!);
    }
    const head = index === 0 ? String.fromCharCode(first) + literal(name) : integer(first, mask, index);
    return head + literal(value);
  }

  #indexOf(added: number): number {
    return STATIC_ENTRIES + this.#dropped + this.#entries.length / 2 - added;
  }

  #learn(name: string): Slot {
    // Strangers name fields too; the common names are learnt anew at once.
    if (this.#slots.size >= MAX_SLOTS) this.#forget();
    const slot = makeSlot(name);
    this.#slots.set(name, slot);
    return slot;
  }

  #forget(): void {
    for (const [name, slot] of this.#slots) if (slot.added === undefined) this.#slots.delete(name);
  }

  #add(slot: Slot, name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD;
    this.#evict(this.#maxSize - size);
    if (size > this.#maxSize) return;
    slot.added ??= new Map();
    slot.added.set(value, this.#dropped + this.#entries.length / 2);
    this.#entries.push(name, value);
    this.#size += size;
  }

  /** Drops the oldest entries until no more than `size` is taken. */
  #evict(size: number): void {
    while (this.#size > size && this.#oldest < this.#entries.length) {
      const name = this.#entries[this.#oldest]!;
      const value = this.#entries[this.#oldest + 1]!;
      this.#size -= name.length + value.length + ENTRY_OVERHEAD;
      const slot = this.#slots.get(name)!;
      slot.added!.delete(value);
      if (slot.added!.size === 0) slot.added = undefined;
      this.#oldest += 2;
    }
    if (this.#oldest > 256) this.#compact();
  }

  #compact(): void {
    this.#entries = this.#entries.slice(this.#oldest);
    this.#dropped += this.#oldest / 2;
    this.#oldest = 0;
  }
}
