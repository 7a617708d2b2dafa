// The cases of strictness about where a request ends: lengths, codings, chunks. Part of strictness-cases.ts.
import type { StrictnessCase } from './strictness-cases.ts';

const POST = 'POST / HTTP/1.1\r\nhost: a\r\n';
const GET = 'GET / HTTP/1.1\r\nhost: a\r\n';
const CHUNKED = `${POST}transfer-encoding: chunked\r\n\r\n`;

export const lengthCases: Record<string, StrictnessCase> = {
  'a body of a length': {
    send: `${POST}content-length: 3\r\n\r\nabc`,
    weft: 'POST / HTTP/1.1; content-length: 3; host: a | "abc"',
  },
  'both Content-Length and Transfer-Encoding': {
    send: `${POST}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    weft: '400',
  },
  'both, the other way round': {
    send: `${POST}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`,
    weft: '400',
  },
  'the same length twice': { send: `${POST}content-length: 3\r\ncontent-length: 3\r\n\r\nabc`, weft: '400' },
  'two lengths': { send: `${POST}content-length: 3\r\ncontent-length: 4\r\n\r\nabc`, weft: '400' },
  'a list of the same length': { send: `${POST}content-length: 3, 3\r\n\r\nabc`, weft: '400' },
  'a list of lengths': { send: `${POST}content-length: 3, 4\r\n\r\nabc`, weft: '400' },
  'a length with a plus': { send: `${POST}content-length: +3\r\n\r\nabc`, weft: '400' },
  'a length with a minus': { send: `${POST}content-length: -3\r\n\r\nabc`, weft: '400' },
  'a length in hexadecimal': { send: `${POST}content-length: 0x3\r\n\r\nabc`, weft: '400' },
  'a length with leading zeros': {
    send: `${POST}content-length: 0003\r\n\r\nabc`,
    weft: 'POST / HTTP/1.1; content-length: 3; host: a | "abc"',
    envoy: 'POST / HTTP/1.1; content-length: 0003; host: a | "abc"',
    why: 'Envoy passes the zeros on; Weft writes the number anew.',
  },
  'an empty length': { send: `${POST}content-length:\r\n\r\n`, weft: '400' },
  'a length with a space inside': { send: `${POST}content-length: 1 2\r\n\r\nabc`, weft: '400' },
  'a length beyond 64 bits': { send: `${POST}content-length: 18446744073709551619\r\n\r\nabc`, weft: '400' },
  'a length with a fraction': { send: `${POST}content-length: 3.0\r\n\r\nabc`, weft: '400' },
  'a length in two spellings of its name': {
    send: `${POST}Content-Length: 3\r\nCONTENT-LENGTH: 4\r\n\r\nabc`,
    weft: '400',
  },
  'an underscore instead of the hyphen of Content-Length': {
    send: `${POST}content_length: 3\r\n\r\n`,
    weft: '400',
    envoy: 'POST / HTTP/1.1; content-length: 0; content_length: 3; host: a',
    why: 'CGI reads the underscore as a hyphen and would have two lengths.',
  },
  'a GET with a body': {
    send: `${GET}content-length: 3\r\n\r\nabc`,
    weft: 'GET / HTTP/1.1; content-length: 3; host: a | "abc"',
  },
  'a POST without any framing': {
    send: `${POST}\r\n`,
    weft: 'POST / HTTP/1.1; host: a',
    envoy: 'POST / HTTP/1.1; content-length: 0; host: a',
    why: 'Without a length there is no body (RFC 9112, 6.3); Envoy writes the 0 down.',
  },
  'bytes behind the body are the next request': {
    send: `${POST}content-length: 3\r\n\r\nabcGET /next HTTP/1.1\r\nhost: a\r\n\r\n`,
    weft: 'POST / HTTP/1.1; content-length: 3; host: a | "abc" ++ GET /next HTTP/1.1; host: a',
  },
};

export const codingCases: Record<string, StrictnessCase> = {
  'a body in chunks': {
    send: `${CHUNKED}3\r\nabc\r\n0\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
  },
  'Transfer-Encoding in capitals': {
    send: `${POST}Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
  },
  'Transfer-Encoding twice': {
    send: `${POST}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    weft: '400',
    envoy: '501',
    why: "Both refuse; Envoy says 501 (not implemented), Weft says 400, as a framing that is not certain is the client's mistake.",
  },
  'chunked in a list twice': {
    send: `${POST}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
    weft: '400',
    envoy: '501',
    why: "Both refuse; Envoy says 501 (not implemented), Weft says 400, as a framing that is not certain is the client's mistake.",
  },
  'gzip before chunked': {
    send: `${POST}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    weft: '400',
    envoy: '501',
    why: "Both refuse; Envoy says 501 (not implemented), Weft says 400, as a framing that is not certain is the client's mistake.",
  },
  'gzip behind chunked': {
    send: `${POST}transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    weft: '400',
    envoy: '501',
    why: "Both refuse; Envoy says 501 (not implemented), Weft says 400, as a framing that is not certain is the client's mistake.",
  },
  'gzip alone': {
    send: `${POST}transfer-encoding: gzip\r\n\r\n0\r\n\r\n`,
    weft: '400',
    envoy: '501',
    why: "Both refuse; Envoy says 501 (not implemented), Weft says 400, as a framing that is not certain is the client's mistake.",
  },
  identity: { send: `${POST}transfer-encoding: identity\r\ncontent-length: 3\r\n\r\nabc`, weft: '400' },
  'a vertical tab before chunked': { send: `${POST}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n`, weft: '400' },
  'chunked in quotes': {
    send: `${POST}transfer-encoding: "chunked"\r\n\r\n0\r\n\r\n`,
    weft: '400',
    envoy: '501',
    why: "Both refuse; Envoy says 501 (not implemented), Weft says 400, as a framing that is not certain is the client's mistake.",
  },
  'chunked with a parameter': {
    send: `${POST}transfer-encoding: chunked;q=1\r\n\r\n0\r\n\r\n`,
    weft: '400',
    envoy: '501',
    why: "Both refuse; Envoy says 501 (not implemented), Weft says 400, as a framing that is not certain is the client's mistake.",
  },
  xchunked: {
    send: `${POST}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`,
    weft: '400',
    envoy: '501',
    why: "Both refuse; Envoy says 501 (not implemented), Weft says 400, as a framing that is not certain is the client's mistake.",
  },
  'an empty Transfer-Encoding': { send: `${POST}transfer-encoding:\r\ncontent-length: 3\r\n\r\nabc`, weft: '400' },
  'tabs around chunked': {
    send: `${POST}transfer-encoding:\tchunked\t\r\n\r\n0\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked ""',
  },
  'Transfer-Encoding with white space before the colon': {
    send: `${POST}transfer-encoding : chunked\r\ncontent-length: 3\r\n\r\nabc`,
    weft: '400',
  },
  'chunked on a folded line': {
    send: `${POST}transfer-encoding:\r\n chunked\r\ncontent-length: 3\r\n\r\nabc`,
    weft: '400',
  },
  'chunked, then a coding that nobody knows': {
    send: `${POST}transfer-encoding: chunked\r\ntransfer-encoding: cow\r\n\r\n0\r\n\r\n`,
    weft: '400',
    envoy: '501',
    why: "Both refuse; Envoy says 501 (not implemented), Weft says 400, as a framing that is not certain is the client's mistake.",
  },
  'an underscore instead of the hyphen of Transfer-Encoding': {
    send: `${POST}transfer_encoding: chunked\r\ncontent-length: 3\r\n\r\nabc`,
    weft: '400',
    envoy: 'POST / HTTP/1.1; content-length: 3; host: a; transfer_encoding: chunked | "abc"',
    why: 'CGI reads the underscore as a hyphen and would have two framings.',
  },
  'HTTP/1.0 with chunks': {
    send: `POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    weft: '400',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked ""',
    why: 'HTTP/1.0 has no chunks; a reader of 1.0 takes the body for the next request (RFC 9112, 6.1).',
  },
};

export const chunkCases: Record<string, StrictnessCase> = {
  'a chunk extension': {
    send: `${CHUNKED}3;name=value\r\nabc\r\n0\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
  },
  'a quoted chunk extension': {
    send: `${CHUNKED}3;name="a b"\r\nabc\r\n0\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
  },
  'a line feed in a chunk extension': { send: `${CHUNKED}3;a\nb\r\nabc\r\n0\r\n\r\n`, weft: '400' },
  'a CR in a chunk extension': { send: `${CHUNKED}3;a\rb\r\nabc\r\n0\r\n\r\n`, weft: '400' },
  'chunk extensions of 20 kB': {
    send: `${CHUNKED}3;${'a'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`,
    weft: '400',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
    why: 'Weft bounds what a body has besides its data; Envoy reads on without limit.',
  },
  'a chunk size beyond 64 bits': { send: `${CHUNKED}10000000000000003\r\nabc\r\n0\r\n\r\n`, weft: '400' },
  'a chunk size with leading zeros': {
    send: `${CHUNKED}0003\r\nabc\r\n0\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
  },
  'a chunk size with thirty zeros before it': {
    send: `${CHUNKED}${'0'.repeat(30)}3\r\nabc\r\n0\r\n\r\n`,
    weft: '400',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
    why: 'Weft takes thirteen digits; more are only written to confuse.',
  },
  'a chunk size with 0x': { send: `${CHUNKED}0x3\r\nabc\r\n0\r\n\r\n`, weft: '400' },
  'a chunk size with a sign': { send: `${CHUNKED}+3\r\nabc\r\n0\r\n\r\n`, weft: '400' },
  'a chunk size with a minus': { send: `${CHUNKED}-3\r\nabc\r\n0\r\n\r\n`, weft: '400' },
  'a space before a chunk size': { send: `${CHUNKED} 3\r\nabc\r\n0\r\n\r\n`, weft: '400' },
  'a space behind a chunk size': {
    send: `${CHUNKED}3 \r\nabc\r\n0\r\n\r\n`,
    weft: '400',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
    why: 'Envoy skips it; readers differ in what follows.',
  },
  'an empty chunk size': { send: `${CHUNKED}\r\nabc\r\n0\r\n\r\n`, weft: '400' },
  'a chunk size that ends in LF alone': { send: `${CHUNKED}3\nabc\r\n0\r\n\r\n`, weft: '400' },
  'a chunk that ends in LF alone': {
    send: `${CHUNKED}3\r\nabc\n0\r\n\r\n`,
    weft: '400',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
    why: 'Envoy does not look at what ends a chunk and skips two characters.',
  },
  'a chunk longer than its size': {
    send: `${CHUNKED}3\r\nabcd\r\n0\r\n\r\n`,
    weft: '400',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
    why: 'Envoy does not look at what ends a chunk; a reader that does sees another body.',
  },
  'a last chunk written as 000': {
    send: `${CHUNKED}3\r\nabc\r\n000\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
  },
  'a trailer': {
    send: `${CHUNKED}3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc" x-sum: 1; ',
  },
  'a trailer that frames': {
    send: `${CHUNKED}3\r\nabc\r\n0\r\ncontent-length: 7\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc" content-length: 7; ',
    why: 'Envoy passes on framing that stands in a trailer; Weft drops it (RFC 9110, 6.5.1).',
  },
  'a trailer that names a host': {
    send: `${CHUNKED}3\r\nabc\r\n0\r\nhost: evil\r\n\r\n`,
    weft: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc"',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc" host: evil; ',
    why: 'Envoy passes on routing that stands in a trailer; Weft drops it (RFC 9110, 6.5.1).',
  },
  'a trailer that ends in LF alone': {
    send: `${CHUNKED}3\r\nabc\r\n0\r\nx: 1\n\r\n`,
    weft: '400',
    envoy: 'POST / HTTP/1.1; host: a; transfer-encoding: chunked | chunked "abc" x: 1; ',
    why: 'Envoy takes a line feed alone for the end of a line; readers that want CRLF see one line there.',
  },
  'a trailer without a colon': { send: `${CHUNKED}3\r\nabc\r\n0\r\nx\r\n\r\n`, weft: '400' },
};
