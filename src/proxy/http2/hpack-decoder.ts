// HPACK decoder (RFC 7541): a block of header fields in, flat names and values out. One per HTTP/2 connection.
import { decodeHuffman, maxDecodedLength } from './hpack-huffman.ts';
import { DEFAULT_TABLE_SIZE, ENTRY_OVERHEAD, STATIC_ENTRIES, STATIC_TABLE } from './hpack-static.ts';

export interface HpackLimits {
  /** As told in SETTINGS_HEADER_TABLE_SIZE; 4096 when absent. */
  readonly maxTableSize?: number;
  /** Names and values of one list, with 32 for each field, as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  readonly maxListSize: number;
  readonly maxFields: number;
}

/**
 * `corrupt`: the peers' tables differ from now on, the connection has to end (COMPRESSION_ERROR). `too-large`: only this
 * list is lost, the table is in step.
 */
export type HpackFault = 'corrupt' | 'too-large';

/** Entries, the newest first, in a ring. */
class DynamicTable {
  #names: string[];
  #values: string[];
  #mask: number;
  #newest = 0;
  #count = 0;
  #size = 0;
  maxSize: number;

  constructor(maxSize: number) {
    this.maxSize = maxSize;
    const room = 2 ** Math.ceil(Math.log2(Math.max(1, maxSize / ENTRY_OVERHEAD)));
    this.#mask = room - 1;
    this.#names = new Array<string>(room).fill('');
    this.#values = new Array<string>(room).fill('');
  }

  get count(): number {
    return this.#count;
  }

  name(index: number): string {
    return this.#names[(this.#newest - index) & this.#mask]!;
  }

  value(index: number): string {
    return this.#values[(this.#newest - index) & this.#mask]!;
  }

  add(name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD;
    this.evict(this.maxSize - size);
    if (size > this.maxSize) return;
    this.#newest = (this.#newest + 1) & this.#mask;
    this.#names[this.#newest] = name;
    this.#values[this.#newest] = value;
    this.#count++;
    this.#size += size;
  }

  /** Drops the oldest until no more than `size` is taken. */
  evict(size: number): void {
    while (this.#count > 0 && this.#size > size) {
      const oldest = (this.#newest - --this.#count) & this.#mask;
      this.#size -= this.#names[oldest]!.length + this.#values[oldest]!.length + ENTRY_OVERHEAD;
      this.#names[oldest] = '';
      this.#values[oldest] = '';
    }
  }
}

const MAX_INTEGER_SHIFT = 21;
const FIRST_SCRATCH = 1024;
const MAX_KEPT_SCRATCH = 65_536;

export class HpackDecoder {
  readonly #limits: HpackLimits;
  readonly #maxTableSize: number;
  readonly #table: DynamicTable;
  #scratch = Buffer.allocUnsafeSlow(FIRST_SCRATCH);
  #buffer: Buffer = this.#scratch;
  #at = 0;
  #end = 0;

  constructor(limits: HpackLimits) {
    this.#limits = limits;
    this.#maxTableSize = limits.maxTableSize ?? DEFAULT_TABLE_SIZE;
    this.#table = new DynamicTable(this.#maxTableSize);
  }

  /** A whole block, all its fragments joined. Names and values are latin1, pseudo headers among them, nothing checked yet. */
  decode(buffer: Buffer, start: number, end: number): string[] | HpackFault {
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
    const fields: string[] = [];
    return this.#updateSize() ? this.#fields(fields) : 'corrupt';
  }

  #fields(fields: string[]): string[] | HpackFault {
    const { maxListSize, maxFields } = this.#limits;
    let count = 0;
    let size = 0;
    while (this.#at < this.#end) {
      const byte = this.#buffer[this.#at]!;
      let name: string | undefined;
      let value: string | undefined;
      if (byte >= 0x80) {
        const index = this.#integer(0x7f);
        name = this.#name(index);
        if (name === undefined) return 'corrupt';
        value = index <= STATIC_ENTRIES ? STATIC_TABLE[2 * index - 1]! : this.#table.value(index - STATIC_ENTRIES - 1);
      } else {
        // 01: to be indexed; 001: an update of the size, which has its place before the first field; 000x: not indexed.
        if (byte >> 5 === 1) return 'corrupt';
        const index = this.#integer(byte >= 0x40 ? 0x3f : 0x0f);
        name = index === 0 ? this.#string() : this.#name(index);
        if (name === undefined) return 'corrupt';
        value = this.#string();
        if (value === undefined) return 'corrupt';
        if (byte >= 0x40) this.#table.add(name, value);
      }
      size += name.length + value.length + ENTRY_OVERHEAD;
      // Past a limit nothing is kept, but the table stays in step with the peer's.
      if (++count <= maxFields && size <= maxListSize) fields.push(name, value);
    }
    return count > maxFields || size > maxListSize ? 'too-large' : fields;
  }

  /** The updates of the table's size that may open a block. */
  #updateSize(): boolean {
    while (this.#at < this.#end && this.#buffer[this.#at]! >> 5 === 1) {
      const size = this.#integer(0x1f);
      if (size < 0 || size > this.#maxTableSize) return false;
      this.#table.maxSize = size;
      this.#table.evict(size);
    }
    return true;
  }

  /** Undefined for 0, for -1 (an invalid integer) and beyond the tables. */
  #name(index: number): string | undefined {
    if (index <= STATIC_ENTRIES) return index > 0 ? STATIC_TABLE[2 * index - 2] : undefined;
    const entry = index - STATIC_ENTRIES - 1;
    return entry < this.#table.count ? this.#table.name(entry) : undefined;
  }

  /** An integer whose first byte has the bits of `mask` for it; -1 where it is cut short or above 2^28. */
  #integer(mask: number): number {
    let value = this.#buffer[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= MAX_INTEGER_SHIFT && this.#at < this.#end; shift += 7) {
      const byte = this.#buffer[this.#at++]!;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return -1;
  }

  #string(): string | undefined {
    if (this.#at >= this.#end) return undefined;
    const coded = this.#buffer[this.#at]! >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    if (length < 0 || length > this.#end - start) return undefined;
    this.#at = start + length;
    return coded ? this.#decoded(start, this.#at) : this.#buffer.toString('latin1', start, this.#at);
  }

  #decoded(start: number, end: number): string | undefined {
    const room = maxDecodedLength(end - start);
    if (room > this.#scratch.length) {
      const larger = Buffer.allocUnsafeSlow(room);
      // One large field must not hold memory as long as its connection lives.
      if (room > MAX_KEPT_SCRATCH) return sliceOf(larger, decodeHuffman(this.#buffer, start, end, larger));
      this.#scratch = larger;
    }
    return sliceOf(this.#scratch, decodeHuffman(this.#buffer, start, end, this.#scratch));
  }
}

const sliceOf = (buffer: Buffer, length: number): string | undefined =>
  length < 0 ? undefined : buffer.toString('latin1', 0, length);
