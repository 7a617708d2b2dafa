// Header fields: names in lower case with what they mean to a codec. Called by head.ts, body.ts and HTTP/2's head.ts.

/** What a field is to the codec; PLAIN fields are only passed on. */
export const PLAIN = 0;
export const HOST = 1;
export const CONTENT_LENGTH = 2;
export const TRANSFER_ENCODING = 3;
export const CONNECTION = 4;
/** Meant for one hop and without effect here: dropped. */
export const DROPPED = 5;
export const UPGRADE = 6;
export const TE = 7;
export const EXPECT = 8;
export const KEEP_ALIVE = 9;

export interface Field {
  readonly name: string;
  readonly role: number;
}

const ROLES: Readonly<Record<string, number>> = {
  host: HOST,
  'content-length': CONTENT_LENGTH,
  'transfer-encoding': TRANSFER_ENCODING,
  connection: CONNECTION,
  'proxy-connection': DROPPED,
  'proxy-authorization': DROPPED,
  'proxy-authenticate': DROPPED,
  'keep-alive': KEEP_ALIVE,
  'http2-settings': DROPPED,
  upgrade: UPGRADE,
  te: TE,
  expect: EXPECT,
};

const MAX_GUESSES = 32;

/** A copy of a part of a larger string, which V8 would keep whole for its sake. For what is remembered beyond a request. */
export const detached = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');

/** The names of the last head in their order: most heads are like the one before, which saves slicing and hashing. */
export class NameGuesses {
  readonly spellings: string[] = [];
  readonly fields: Field[] = [];
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const MAX_REMEMBERED = 4096;
const MAX_NAME_LENGTH = 256;

export const isToken = (text: string): boolean => TOKEN.test(text);

/** Fields by the spelling that was received, so that each spelling is checked and lower-cased once. */
export class FieldNames {
  readonly #known = new Map<string, Field>();

  /** The field whose name stands in `text` from `start` to `end`; `guesses` remembers what stood at each place last time. */
  at(text: string, start: number, end: number, guesses: NameGuesses, place: number): Field | undefined {
    const spelling = guesses.spellings[place];
    if (spelling !== undefined && spelling.length === end - start && text.startsWith(spelling, start)) {
      return guesses.fields[place];
    }
    const raw = text.slice(start, end);
    const field = this.get(raw);
    if (field && place < MAX_GUESSES) {
      guesses.spellings[place] = detached(raw);
      guesses.fields[place] = field;
    }
    return field;
  }

  /** The field of a name as received, or undefined when it isn't a token or poses as a field of framing. */
  get(raw: string): Field | undefined {
    return this.#known.get(raw) ?? this.#learn(raw);
  }

  #learn(raw: string): Field | undefined {
    if (raw.length > MAX_NAME_LENGTH || !TOKEN.test(raw)) return undefined;
    const spelling = detached(raw);
    const name = spelling.toLowerCase();
    // CGI and its kin read `_` as `-`: what looks like framing to them must not pass as something else.
    if (name.includes('_') && Object.hasOwn(ROLES, name.replaceAll('_', '-'))) return undefined;
    const field: Field = { name, role: Object.hasOwn(ROLES, name) ? ROLES[name]! : PLAIN };
    // What strangers send must not grow without bound; the common names are learnt first.
    if (this.#known.size < MAX_REMEMBERED) this.#known.set(spelling, field);
    return field;
  }
}

// RFC 9110, 6.5.1: fields that frame, route, authenticate or steer a message must not come behind its body.
const NOT_IN_TRAILERS = new Set(
  'authorization cookie set-cookie cache-control content-encoding content-type content-range trailer age date expires location vary traceparent'.split(
    ' ',
  ),
);

/** False for a field that is dropped where it comes behind a body. */
export const isTrailer = (field: Field): boolean => field.role === PLAIN && !NOT_IN_TRAILERS.has(field.name);

const DIGITS = /^[0-9]{1,15}$/;

/** A Content-Length: digits alone, no sign, no list; -1 for anything else. */
export const parseLength = (value: string): number => (DIGITS.test(value) ? Number(value) : -1);

/** The part of `text` between two places, without spaces and tabs around it. */
export const trimField = (text: string, from: number, to: number): string => {
  let start = from;
  let end = to;
  while (start < end && (text.charCodeAt(start) === 32 || text.charCodeAt(start) === 9)) start++;
  while (end > start && (text.charCodeAt(end - 1) === 32 || text.charCodeAt(end - 1) === 9)) end--;
  return text.slice(start, end);
};

/** True for text with a control character other than tab; CR and LF count. */
export const hasControl = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 32 && code !== 9) || code === 127) return true;
  }
  return false;
};
