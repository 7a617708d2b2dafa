// Reads the server name out of a TLS ClientHello without terminating TLS. Called by sniff.ts.

export interface ClientHello {
  /** Lower case; empty when the client sent none. */
  readonly serverName: string;
}

export type HelloResult = ClientHello | 'more' | 'invalid';

export const TLS_HANDSHAKE = 0x16;

const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const MAX_RECORD_BYTES = 16_384;
/** Post-quantum key shares make hellos of a few kilobytes; nobody needs more than this. */
const MAX_HELLO_BYTES = 32_768;
/** One to three are usual; thousands of tiny ones would only cost time, again with each read. */
const MAX_RECORDS = 1024;
// Istio's server names have underscores, which no DNS name has.
const NAME = /^[a-z0-9_](?:[a-z0-9._-]{0,253}[a-z0-9_])?$/;

/** A cursor that turns every read beyond the end into `ok = false`. */
class Reader {
  ok = true;
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  number(size: number): number {
    if (this.left < size) {
      this.ok = false;
      return 0;
    }
    this.at += size;
    return this.#bytes.readUIntBE(this.at - size, size);
  }

  /** A vector whose length is written in `size` bytes. */
  vector(size: number): Buffer {
    return this.take(this.number(size));
  }

  take(length: number): Buffer {
    if (!this.ok || this.left < length) {
      this.ok = false;
      return Buffer.alloc(0);
    }
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
}

/** The handshake message out of its records. */
const joinRecords = (bytes: Buffer): Buffer | 'more' | 'invalid' => {
  const parts: Buffer[] = [];
  let have = 0;
  let size = -1;
  let at = 0;
  for (;;) {
    if (bytes.length - at < 5) return 'more';
    const length = bytes.readUInt16BE(at + 3);
    if (bytes[at] !== TLS_HANDSHAKE || bytes[at + 1] !== 3 || length === 0 || length > MAX_RECORD_BYTES)
      return 'invalid';
    const part = bytes.subarray(at + 5, at + 5 + length);
    if (parts.push(part) > MAX_RECORDS) return 'invalid';
    have += part.length;
    if (have >= 1 && parts[0]![0] !== CLIENT_HELLO) return 'invalid';
    if (size < 0 && have >= 4) {
      size = Buffer.concat(parts).readUIntBE(1, 3);
      if (size > MAX_HELLO_BYTES) return 'invalid';
    }
    if (size >= 0 && have >= size + 4) return Buffer.concat(parts).subarray(4, size + 4);
    if (part.length < length) return 'more';
    at += 5 + length;
  }
};

const parseServerName = (extension: Buffer): string | undefined => {
  const reader = new Reader(extension);
  const list = new Reader(reader.vector(2));
  if (!reader.ok || reader.left > 0) return undefined;
  const type = list.number(1);
  const name = list.vector(2).toString('latin1').toLowerCase();
  return list.ok && list.left === 0 && type === HOST_NAME && NAME.test(name) ? name : undefined;
};

export interface HelloParts {
  readonly version: number;
  /** Two bytes each. */
  readonly suites: Buffer;
  readonly extensions: readonly { readonly type: number; readonly data: Buffer }[];
}

/** What is in a ClientHello; `bytes`: everything that the client has sent so far. */
export const readClientHello = (bytes: Buffer): HelloParts | 'more' | 'invalid' => {
  const message = joinRecords(bytes);
  if (typeof message === 'string') return message;
  const reader = new Reader(message);
  const version = reader.number(2);
  reader.take(32);
  const session = reader.vector(1);
  const suites = reader.vector(2);
  const compression = reader.vector(1);
  if (!reader.ok || session.length > 32 || suites.length < 2 || compression.length < 1) return 'invalid';
  const extensions: { type: number; data: Buffer }[] = [];
  if (reader.left === 0) return { version, suites, extensions };
  const list = new Reader(reader.vector(2));
  if (!reader.ok || reader.left > 0) return 'invalid';
  while (list.left > 0) {
    const [type, data] = [list.number(2), list.vector(2)];
    if (!list.ok) return 'invalid';
    extensions.push({ type, data });
  }
  return { version, suites, extensions };
};

/** `bytes`: everything that the client has sent so far. */
export const parseClientHello = (bytes: Buffer): HelloResult => {
  const hello = readClientHello(bytes);
  if (typeof hello === 'string') return hello;
  const [name, ...more] = hello.extensions.filter(({ type }) => type === SERVER_NAME);
  if (!name) return { serverName: '' };
  const serverName = more.length > 0 ? undefined : parseServerName(name.data);
  return serverName === undefined ? 'invalid' : { serverName };
};
