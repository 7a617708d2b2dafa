// An HTTP/1 reader of its own for tests: takes only the plainest framing and says in one line what it read. What a proxy
// sends must be readable by it; it shares no code with src/proxy.

/** Set by proxies of their own accord, not what cases are about. */
const OWN =
  /^(?:x-request-id|x-forwarded-(?:for|proto|host|port)|x-envoy-[a-z-]+|traceparent|tracestate|server|date|via|forwarded)$/;

export interface ReadMessage {
  readonly startLine: string;
  /** `START-LINE; name: value; … | body`, without the fields that proxies add. */
  readonly text: string;
  /** Where the next message begins. */
  readonly end: number;
}

interface Body {
  readonly text: string;
  readonly end: number;
}

export class Malformed extends Error {}

const readChunks = (text: string, start: number): Body | undefined => {
  let at = start;
  let data = '';
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = text.slice(at, lineEnd);
    if (!/^[0-9a-f]{1,13}$/i.test(size)) throw new Malformed(`chunk size ${JSON.stringify(size)}`);
    const length = Number.parseInt(size, 16);
    at = lineEnd + 2;
    if (length === 0) break;
    if (text.length < at + length + 2) return undefined;
    if (text.slice(at + length, at + length + 2) !== '\r\n') throw new Malformed('a chunk without its end');
    data += text.slice(at, at + length);
    at += length + 2;
  }
  const end = text.startsWith('\r\n', at) ? at : text.indexOf('\r\n\r\n', at) + 2;
  if (end < at) return undefined;
  const trailers = text.slice(at, end).replaceAll('\r\n', '; ');
  return { text: `chunked ${JSON.stringify(data)}${trailers && ` ${trailers}`}`, end: end + 2 };
};

const readBody = (text: string, at: number, framing: readonly string[], untilClose: boolean): Body | undefined => {
  if (framing.length > 1) throw new Malformed(`framed twice: ${framing.join('; ')}`);
  const [field] = framing;
  if (field === undefined) return { text: untilClose ? `until close ${JSON.stringify(text.slice(at))}` : '', end: at };
  if (field === 'transfer-encoding: chunked') return readChunks(text, at);
  const length = Number(/^content-length: ([0-9]{1,15})$/.exec(field)?.[1] ?? Number.NaN);
  if (Number.isNaN(length)) throw new Malformed(field);
  return text.length < at + length
    ? undefined
    : { text: length === 0 ? '' : JSON.stringify(text.slice(at, at + length)), end: at + length };
};

const FIELD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+: ?[\t\x20-\x7e\x80-\xff]*$/;

/**
 * The message from `at` on; undefined while it is not whole. Throws Malformed. `bodyless` answers have none whatever their
 * fields say; `closed`: nothing more comes.
 */
export const readMessage = (
  text: string,
  at: number,
  options: { readonly bodyless?: boolean; readonly closed?: boolean } = {},
): ReadMessage | undefined => {
  const headEnd = text.indexOf('\r\n\r\n', at);
  if (headEnd < 0) return undefined;
  const [startLine, ...lines] = text.slice(at, headEnd).split('\r\n');
  const fields: string[] = [];
  for (const line of lines) {
    if (!FIELD.test(line)) throw new Malformed(`field ${JSON.stringify(line)}`);
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (!OWN.test(name)) fields.push(`${name}: ${line.slice(colon + 1).trim()}`);
  }
  const framing = fields.filter((field) => /^(?:content-length|transfer-encoding):/.test(field));
  const isAnswer = startLine!.startsWith('HTTP/');
  if (isAnswer ? !/^HTTP\/1\.[01] [1-9][0-9]{2} /.test(startLine!) : !/^[A-Z]+ \S+ HTTP\/1\.1$/.test(startLine!)) {
    throw new Malformed(`start line ${JSON.stringify(startLine)}`);
  }
  const bodyless = options.bodyless || (isAnswer && /^HTTP\/1\.1 (?:1\d\d|204|304) /.test(startLine!));
  const untilClose = isAnswer && framing.length === 0;
  if (untilClose && !bodyless && !options.closed) return undefined;
  const body = bodyless ? { text: '', end: headEnd + 4 } : readBody(text, headEnd + 4, framing, untilClose);
  if (!body) return undefined;
  const head = [startLine!, ...fields.sort()].join('; ');
  return { startLine: startLine!, text: body.text === '' ? head : `${head} | ${body.text}`, end: body.end };
};
