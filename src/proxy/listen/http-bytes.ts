// Tells by first bytes whether a client speaks HTTP, where nothing declares it. Called by sniff.ts.

/** Of a request line; a longer one isn't waited for. */
const MAX_LINE_BYTES = 8192;
/** Longest method that is taken for one. */
const MAX_METHOD_BYTES = 32;
const REQUEST_LINE = /^[A-Z][A-Z-]* [\x21-\x7e]+ HTTP\/(?:1\.[01]|2\.0)$/;

/**
 * True: a whole request line of HTTP/1, or HTTP/2's preface. False: it can't become one. Undefined: too few bytes to say.
 * A word and a blank alone are no sign: SMTP, FTP and others begin so.
 */
export const isHttpBytes = (bytes: Buffer): boolean | undefined => {
  const text = bytes.toString('latin1', 0, MAX_LINE_BYTES);
  // RFC 9112, 2.2: an empty line before a request is let pass.
  const start = text.startsWith('\r\n') ? 2 : 0;
  const end = text.indexOf('\n', start);
  if (end >= 0) return text[end - 1] === '\r' && REQUEST_LINE.test(text.slice(start, end - 1));
  const begun = text.slice(start);
  if (begun === '' || begun === '\r') return undefined;
  const blank = begun.indexOf(' ');
  const method = blank < 0 ? begun : begun.slice(0, blank);
  if (!/^[A-Z][A-Z-]*$/.test(method) || method.length > MAX_METHOD_BYTES) return false;
  return bytes.length >= MAX_LINE_BYTES ? false : undefined;
};
