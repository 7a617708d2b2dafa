// Reads a regular expression in RE2's syntax into a tree. Only for lib/pattern, which runs it in linear time.
import { WeftError } from './errors.ts';

/** A set of bytes: 256 flags. */
export type ByteSet = Uint8Array;

export type Node =
  | { readonly type: 'set'; readonly set: ByteSet }
  | { readonly type: 'sequence'; readonly parts: readonly Node[] }
  | { readonly type: 'choice'; readonly options: readonly Node[] }
  | { readonly type: 'repeat'; readonly part: Node; readonly min: number; readonly max: number }
  | { readonly type: 'start' }
  | { readonly type: 'end' };

interface Flags {
  readonly ignoreCase: boolean;
  readonly dotAll: boolean;
}

// RE2's own bound for one repetition.
const MAX_REPEAT = 1000;
const MAX_SOURCE = 1024;
const MAX_DEPTH = 100;

const setOf = (holds: (byte: number) => boolean): ByteSet => Uint8Array.from({ length: 256 }, (_, b) => +holds(b));
const within = (low: string, high: string) => (b: number) => b >= low.charCodeAt(0) && b <= high.charCodeAt(0);
const digit = within('0', '9');
const lower = within('a', 'z');
const upper = within('A', 'Z');
const letter = (b: number) => lower(b) || upper(b);
const word = (b: number) => letter(b) || digit(b) || b === 95;
const space = (b: number) => b === 32 || (b >= 9 && b <= 13 && b !== 11);
const punctuation = (b: number) => b > 32 && b < 127 && !letter(b) && !digit(b);

const PERL: Record<string, (b: number) => boolean> = { d: digit, w: word, s: space };
const POSIX: Record<string, (b: number) => boolean> = {
  alnum: (b) => letter(b) || digit(b),
  alpha: letter,
  ascii: (b) => b < 128,
  blank: (b) => b === 32 || b === 9,
  cntrl: (b) => b < 32 || b === 127,
  digit,
  graph: (b) => b > 32 && b < 127,
  lower,
  print: (b) => b >= 32 && b < 127,
  punct: punctuation,
  space: (b) => b === 32 || (b >= 9 && b <= 13),
  upper,
  word,
  xdigit: (b) => digit(b) || within('a', 'f')(b) || within('A', 'F')(b),
};
const CONTROL: Record<string, number> = { n: 10, r: 13, t: 9, f: 12, v: 11, a: 7 };

const foldCase = (set: ByteSet): ByteSet =>
  setOf((b) => set[b] === 1 || (lower(b) && set[b - 32] === 1) || (upper(b) && set[b + 32] === 1));

class Parser {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  #flags: Flags = { ignoreCase: false, dotAll: false };

  constructor(source: string) {
    this.#source = source;
  }

  parse(): Node {
    if (this.#source.length > MAX_SOURCE) throw this.#error(`it is longer than ${MAX_SOURCE} characters`);
    const node = this.#choice();
    if (this.#at < this.#source.length) throw this.#error('a ")" has no "("');
    return node;
  }

  #error(reason: string): WeftError {
    const shown = this.#source.length > 80 ? `${this.#source.slice(0, 80)}…` : this.#source;
    return new WeftError('PATTERN_INVALID', `the regular expression "${shown}" can't be used: ${reason}`, {
      hint: "use RE2's syntax; look-around and back-references are not part of it",
    });
  }

  #eat(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #choice(): Node {
    if (++this.#depth > MAX_DEPTH) throw this.#error('its groups are nested too deep');
    const flags = this.#flags;
    const options = [this.#sequence()];
    while (this.#eat('|')) options.push(this.#sequence());
    this.#flags = flags;
    this.#depth--;
    return options.length === 1 ? options[0]! : { type: 'choice', options };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#source.length && !'|)'.includes(this.#source[this.#at]!)) {
      const atom = this.#atom();
      if (atom) parts.push(this.#repeated(atom));
    }
    return { type: 'sequence', parts };
  }

  #repeated(part: Node): Node {
    const range = this.#range();
    if (!range) return part;
    // Lazy repetition finds the same full matches.
    this.#eat('?');
    if (this.#range()) throw this.#error('a repetition is repeated');
    return { type: 'repeat', part, min: range[0], max: range[1] };
  }

  #range(): [number, number] | undefined {
    if (this.#eat('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#eat('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#eat('?')) return [0, 1];
    const counted = /^\{(\d{1,9})(,(\d{0,9}))?\}/.exec(this.#source.slice(this.#at, this.#at + 24));
    if (!counted) return undefined;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] ? Number(counted[3]) : Number.POSITIVE_INFINITY;
    if (min > MAX_REPEAT || (max > MAX_REPEAT && max !== Number.POSITIVE_INFINITY) || max < min) {
      throw this.#error(`the repetition ${counted[0]} is out of range`);
    }
    return [min, max];
  }

  /** Undefined for what only sets flags. */
  #atom(): Node | undefined {
    const c = this.#source[this.#at]!;
    if (c === '(') return this.#group();
    this.#at++;
    if (c === '[') return this.#set(this.#class());
    if (c === '.') return { type: 'set', set: setOf((b) => this.#flags.dotAll || b !== 10) };
    if (c === '^') return { type: 'start' };
    if (c === '$') return { type: 'end' };
    if ('*+?'.includes(c)) throw this.#error(`"${c}" has nothing to repeat`);
    if (c === '\\') return this.#escape();
    return this.#literal(c);
  }

  #set(set: ByteSet): Node {
    return { type: 'set', set: this.#flags.ignoreCase ? foldCase(set) : set };
  }

  #literal(text: string): Node {
    // Heads are latin1 strings of the bytes received: a letter beyond ASCII is its UTF-8 bytes.
    const first = text.charCodeAt(0);
    const isPair = first >= 0xd800 && first < 0xdc00 && this.#at < this.#source.length;
    const bytes = Buffer.from(isPair ? text + this.#source[this.#at++] : text);
    const parts = Array.from(bytes, (byte) => this.#set(setOf((b) => b === byte)));
    return parts.length === 1 ? parts[0]! : { type: 'sequence', parts };
  }

  #group(): Node | undefined {
    this.#at++;
    const outer = this.#flags;
    if (this.#eat('?')) {
      const named = /^P?<[A-Za-z_]\w*>/.exec(this.#source.slice(this.#at));
      if (named) this.#at += named[0].length;
      else if (this.#readFlags()) return undefined;
    }
    const node = this.#choice();
    if (!this.#eat(')')) throw this.#error('a "(" is not closed');
    this.#flags = outer;
    return node;
  }

  /** Reads `flags:` or `flags)`; true for the second, whose flags hold to the end of the group around it. */
  #readFlags(): boolean {
    const found = /^([a-zA-Z]*)(-[a-zA-Z]+)?([:)])/.exec(this.#source.slice(this.#at));
    if (!found) throw this.#error('"(?" is not followed by what is supported');
    this.#at += found[0].length;
    let { ignoreCase, dotAll } = this.#flags;
    const apply = (letters: string, on: boolean) => {
      for (const flag of letters) {
        if (flag === 'i') ignoreCase = on;
        else if (flag === 's') dotAll = on;
        // Greed makes no difference for full matches.
        else if (flag !== 'U') throw this.#error(`the flag "${flag}" is not supported`);
      }
    };
    apply(found[1]!, true);
    apply(found[2]?.slice(1) ?? '', false);
    this.#flags = { ignoreCase, dotAll };
    return found[3] === ')';
  }

  #escape(): Node {
    const c = this.#source[this.#at++];
    if (c === undefined) throw this.#error('it ends in a backslash');
    if (c === 'A') return { type: 'start' };
    if (c === 'z') return { type: 'end' };
    if (c === 'Q') {
      const end = this.#source.indexOf('\\E', this.#at);
      const text = this.#source.slice(this.#at, end < 0 ? undefined : end);
      this.#at = end < 0 ? this.#source.length : end + 2;
      const parts = Array.from(Buffer.from(text), (byte) => this.#set(setOf((b) => b === byte)));
      return { type: 'sequence', parts };
    }
    return this.#set(this.#escapedSet(c));
  }

  #escapedSet(c: string): ByteSet {
    const perl = PERL[c.toLowerCase()];
    if (perl) return setOf(c === c.toLowerCase() ? perl : (b) => !perl(b));
    const byte = this.#escapedByte(c);
    return setOf((b) => b === byte);
  }

  #escapedByte(c: string): number {
    if (CONTROL[c] !== undefined) return CONTROL[c];
    if (c === 'x') {
      const hex = /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/.exec(this.#source.slice(this.#at));
      const value = hex ? Number.parseInt(hex[1] ?? hex[2]!, 16) : 256;
      if (!hex || value > 127) throw this.#error('"\\x" needs an ASCII code in hexadecimal');
      this.#at += hex[0].length;
      return value;
    }
    const code = c.charCodeAt(0);
    if (!punctuation(code) && c !== ' ') throw this.#error(`"\\${c}" is not supported`);
    return code;
  }

  #class(): ByteSet {
    const negated = this.#eat('^');
    const set = new Uint8Array(256);
    let first = true;
    while (first || this.#source[this.#at] !== ']') {
      if (this.#at >= this.#source.length) throw this.#error('a "[" is not closed');
      first = false;
      this.#classItem(set);
    }
    this.#at++;
    const folded = this.#flags.ignoreCase ? foldCase(set) : set;
    return negated ? setOf((b) => folded[b] === 0) : folded;
  }

  #classItem(set: ByteSet): void {
    const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.#source.slice(this.#at));
    if (posix) {
      const holds = POSIX[posix[2]!];
      if (!holds) throw this.#error(`the class ${posix[0]} is not known`);
      this.#at += posix[0].length;
      for (let b = 0; b < 256; b++) if (holds(b) !== (posix[1] === '^')) set[b] = 1;
      return;
    }
    const low = this.#classByte(set);
    if (low === undefined) return;
    const isRange = this.#source[this.#at] === '-' && (this.#source[this.#at + 1] ?? ']') !== ']';
    if (isRange) this.#at++;
    const high = isRange ? this.#classByte(undefined) : low;
    if (high === undefined || high < low) throw this.#error('a range in "[…]" goes backwards');
    set.fill(1, low, high + 1);
  }

  /** One byte, or undefined after `\d` and the like, which went into `set`. */
  #classByte(set: ByteSet | undefined): number | undefined {
    const c = this.#source[this.#at++]!;
    if (c === '\\') {
      const name = this.#source[this.#at++];
      if (name === undefined) throw this.#error('it ends in a backslash');
      if (!PERL[name.toLowerCase()]) return this.#escapedByte(name);
      if (!set) throw this.#error('a range in "[…]" ends in a class');
      this.#escapedSet(name).forEach((flag, b) => {
        if (flag) set[b] = 1;
      });
      return undefined;
    }
    const code = c.charCodeAt(0);
    if (code > 127) throw this.#error('letters beyond ASCII are not supported in "[…]"');
    return code;
  }
}

/** Throws PATTERN_INVALID. */
export const parsePattern = (source: string): Node => new Parser(source).parse();
