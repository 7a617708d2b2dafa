// The own engine's compression of answers, by node:zlib and its threads. Named by registry.ts.
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { headerOf, type ResponseHead } from '../../model/http.ts';
import type { BodyFilter, BodyOut, OwnFilter } from '../filter.ts';
import { setHeader } from '../header-modifier/proxy.ts';
import { chooseEncoding, isCompressible } from './negotiate.ts';
import { type Compression, ENCODINGS, type Encoding, ZSTD_STRATEGIES } from './schema.ts';

const { constants } = zlib;

const GZIP_STRATEGIES = {
  Filtered: constants.Z_FILTERED,
  HuffmanOnly: constants.Z_HUFFMAN_ONLY,
  RLE: constants.Z_RLE,
  Fixed: constants.Z_FIXED,
} as const;

const BROTLI_MODES = {
  Generic: constants.BROTLI_MODE_GENERIC,
  Text: constants.BROTLI_MODE_TEXT,
  Font: constants.BROTLI_MODE_FONT,
} as const;

interface Flushable extends Transform {
  flush(kind: number): void;
}

interface Compressor {
  open(): Flushable;
  /** What sends all that came so far. */
  readonly flushKind: number;
}

const prepareCompressor = (encoding: Encoding): Compressor => {
  if (encoding.name === 'gzip') {
    const { level, strategy, memoryLevel: memLevel, windowBits } = encoding;
    const options = {
      memLevel,
      windowBits,
      ...(level !== undefined && { level }),
      ...(strategy && { strategy: GZIP_STRATEGIES[strategy] }),
    };
    return { open: () => zlib.createGzip(options), flushKind: constants.Z_SYNC_FLUSH };
  }
  if (encoding.name === 'br') {
    const { quality, mode, windowBits, inputBlockBits, noLiteralContext } = encoding;
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_LGWIN]: windowBits,
      [constants.BROTLI_PARAM_LGBLOCK]: inputBlockBits,
      ...(mode && { [constants.BROTLI_PARAM_MODE]: BROTLI_MODES[mode] }),
      ...(noLiteralContext && { [constants.BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING]: 1 }),
    };
    return { open: () => zlib.createBrotliCompress({ params }), flushKind: constants.BROTLI_OPERATION_FLUSH };
  }
  const { level, checksum, strategy } = encoding;
  const params = {
    [constants.ZSTD_c_compressionLevel]: level,
    ...(checksum && { [constants.ZSTD_c_checksumFlag]: 1 }),
    ...(strategy && { [constants.ZSTD_c_strategy]: ZSTD_STRATEGIES.indexOf(strategy) + 1 }),
  };
  return { open: () => zlib.createZstdCompress({ params }), flushKind: constants.ZSTD_e_flush };
};

class CompressedBody implements BodyFilter {
  readonly #stream: Flushable;
  readonly #flushKind: number;
  #unflushed = false;

  constructor({ open, flushKind }: Compressor, out: BodyOut) {
    this.#stream = open();
    this.#flushKind = flushKind;
    this.#stream.on('data', (bytes: Buffer) => out.push(bytes));
    this.#stream.on('drain', () => out.drained());
    this.#stream.on('end', () => out.end());
    this.#stream.on('error', () => out.fail());
  }

  get blocked(): boolean {
    return this.#stream.writableNeedDrain;
  }

  write(buffer: Buffer, start: number, end: number): void {
    this.#unflushed = true;
    this.#stream.write(Buffer.from(buffer.subarray(start, end)));
  }

  flush(): void {
    if (!this.#unflushed) return;
    this.#unflushed = false;
    this.#stream.flush(this.#flushKind);
  }

  end(): void {
    this.#stream.end();
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** What caches have to know: the same address has other answers for those who accept other encodings. */
const addVary = (answer: ResponseHead): void => {
  const vary = headerOf(answer, 'vary');
  if (vary === undefined || vary === '') setHeader(answer.headers, 'vary', 'Accept-Encoding');
  else if (!/(?:^|,)\s*(?:\*|accept-encoding)\s*(?:,|$)/i.test(vary)) {
    answer.headers.push('vary', 'Accept-Encoding');
  }
};

const weakenEtag = (answer: ResponseHead): void => {
  const etag = headerOf(answer, 'etag');
  if (etag !== undefined && !/^w\//i.test(etag)) setHeader(answer.headers, 'etag', `W/${etag}`);
};

export const compressionFilter: OwnFilter<Compression> = {
  prepare(filters) {
    const encodings = [...filters.at(-1)!.encodings].sort(
      (a, b) => ENCODINGS.indexOf(a.name) - ENCODINGS.indexOf(b.name),
    );
    const compressors = new Map(encodings.map((encoding) => [encoding, prepareCompressor(encoding)]));
    return {
      open(request, run) {
        const accepted = headerOf(request, 'accept-encoding');
        const encoding = accepted === undefined ? undefined : chooseEncoding(accepted, encodings);
        run.onAnswerBody((answer, length, out) => {
          const isEnough = (minBytes: number) => length === undefined || length >= minBytes;
          if (!encodings.some(({ minBytes }) => isEnough(minBytes)) || !isCompressible(answer)) return undefined;
          addVary(answer);
          if (!encoding || !isEnough(encoding.minBytes)) return undefined;
          weakenEtag(answer);
          setHeader(answer.headers, 'content-encoding', encoding.name);
          return new CompressedBody(compressors.get(encoding)!, out);
        });
        return undefined;
      },
    };
  },
};
