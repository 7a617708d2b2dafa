// What both engines compress, and how. Bodies are compared as the client decodes them.
import type { FilterCall, FilterCase, ProgramStep } from '../filter-case.ts';
import type { Compression } from './schema.ts';

const filters: readonly Compression[] = [
  {
    type: 'compression',
    encodings: [
      { name: 'br', minBytes: 30, quality: 3, windowBits: 18, inputBlockBits: 24 },
      { name: 'gzip', minBytes: 30, memoryLevel: 5, windowBits: 12 },
      { name: 'zstd', minBytes: 30, level: 3 },
    ],
  },
];

const LONG = 'so much to say '.repeat(200);
const TEXT = ['content-type', 'text/plain; charset=utf-8'];

const call = (
  accepted: string | undefined,
  encoding: string | null,
  program: ProgramStep = {},
  headers: Readonly<Record<string, string | null>> = {},
): FilterCall => {
  const body = program.body ?? LONG;
  return {
    ...(accepted !== undefined && { headers: ['accept-encoding', accepted] }),
    program: { headers: TEXT, ...program, body },
    want: {
      status: program.status ?? 200,
      body,
      headers: { 'content-encoding': encoding, ...headers },
    },
  };
};

const VARY = { vary: 'Accept-Encoding' };

export const compressionCases: Readonly<Record<string, FilterCase>> = {
  'compresses as the client likes it': {
    filters,
    calls: [
      call('gzip', 'gzip', {}, VARY),
      call('br', 'br', {}, VARY),
      call('zstd', 'zstd', {}, VARY),
      call('deflate, gzip;q=0.5, br;q=0.8', 'br'),
      call('gzip;q=0.5, zstd', 'zstd'),
      call('gzip, br', 'gzip'),
      call('br, gzip', 'br'),
      call('*', 'gzip'),
    ],
  },
  'leaves alone what the client would not take': {
    filters,
    calls: [
      call(undefined, null, {}, VARY),
      call('deflate', null, {}, VARY),
      call('gzip;q=0', null),
      call('identity', null),
      call('identity, gzip;q=0.5', null),
    ],
  },
  'compresses a stream of unknown length': {
    filters,
    calls: [call('gzip', 'gzip', { length: false, body: 'short' }), call('br', 'br', { length: false })],
  },
  'leaves alone what is short': {
    filters,
    calls: [
      call('gzip', null, { body: 'x'.repeat(29) }, { vary: null }),
      call('gzip', 'gzip', { body: 'x'.repeat(30) }),
    ],
  },
  'compresses kinds of text only': {
    filters,
    calls: [
      call('gzip', null, { headers: ['content-type', 'image/png'] }, { vary: null }),
      call('gzip', 'gzip', { headers: ['content-type', 'application/json'] }),
      call('gzip', 'gzip', { headers: ['content-type', 'text/event-stream'], length: false }),
      call('gzip', 'gzip', { headers: [] }),
    ],
  },
  'leaves alone what may not be changed': {
    filters,
    calls: [
      call('gzip', null, { headers: [...TEXT, 'cache-control', 'max-age=1, no-transform'] }),
      call('gzip', null, { status: 206, headers: [...TEXT, 'content-range', 'bytes 0-99/1000'] }),
    ],
  },
  'names the answer anew': {
    filters,
    calls: [
      call('gzip', 'gzip', { headers: [...TEXT, 'etag', '"a"'] }, { etag: 'W/"a"', 'content-length': null }),
      call('gzip', 'gzip', { headers: [...TEXT, 'etag', 'W/"a"'] }, { etag: 'W/"a"' }),
      call('gzip', null, { body: 'short', headers: [...TEXT, 'etag', '"a"'] }, { etag: '"a"' }),
      call('gzip', 'gzip', { headers: [...TEXT, 'vary', 'Accept-Encoding'] }, VARY),
      call('gzip', 'gzip', { headers: [...TEXT, 'vary', 'Origin'] }, { vary: 'Origin, Accept-Encoding' }),
    ],
  },
  'says nothing of a body that does not come': {
    filters,
    calls: [
      {
        ...call('gzip', null, {}, { 'content-length': String(LONG.length) }),
        method: 'HEAD',
        want: { status: 200, body: '', headers: { 'content-encoding': null } },
      },
    ],
  },
};
