// Compression of answers in Envoy's terms: a filter for every way to do it that routes of the listener have. Named by registry.ts.
import { WireType } from '@bufbuild/protobuf/wire';
import {
  Brotli_EncoderMode as BrotliMode,
  BrotliSchema,
} from '../../gen/envoy/extensions/compression/brotli/compressor/v3/brotli_pb.js';
import {
  Gzip_CompressionLevel as GzipLevel,
  GzipSchema,
  Gzip_CompressionStrategy as GzipStrategy,
} from '../../gen/envoy/extensions/compression/gzip/compressor/v3/gzip_pb.js';
import { ZstdSchema } from '../../gen/envoy/extensions/compression/zstd/compressor/v3/zstd_pb.js';
import {
  Compressor_ResponseDirectionConfigSchema,
  CompressorPerRouteSchema,
  CompressorSchema,
} from '../../gen/envoy/extensions/filters/http/compressor/v3/compressor_pb.js';
import type { RouteTable } from '../../model/snapshot.ts';
import type { EnvoyFilter } from '../envoy-filter.ts';
import { configured, extension, pack, withNewer } from '../envoy-message.ts';
import { CONTENT_TYPES, type Compression, ENCODINGS, type Encoding, ZSTD_STRATEGIES } from './schema.ts';

const NAME = 'compressor/';

/** By what makes it: routes with the same options share it. */
const nameOf = (encoding: Encoding): string => `${NAME}${JSON.stringify(encoding)}`;

const GZIP_STRATEGIES = {
  Filtered: GzipStrategy.FILTERED,
  HuffmanOnly: GzipStrategy.HUFFMAN_ONLY,
  RLE: GzipStrategy.RLE,
  Fixed: GzipStrategy.FIXED,
} as const;

const BROTLI_MODES = { Generic: BrotliMode.GENERIC, Text: BrotliMode.TEXT, Font: BrotliMode.FONT } as const;

const libraryOf = (encoding: Encoding) => {
  if (encoding.name === 'gzip') {
    const { level, strategy, memoryLevel, windowBits } = encoding;
    return extension('gzip', GzipSchema, {
      memoryLevel,
      windowBits,
      // Its numbers are the levels.
      compressionLevel: (level ?? GzipLevel.DEFAULT_COMPRESSION) as GzipLevel,
      ...(strategy && { compressionStrategy: GZIP_STRATEGIES[strategy] }),
    });
  }
  if (encoding.name === 'br') {
    const { quality, mode, windowBits, inputBlockBits, noLiteralContext = false } = encoding;
    return extension('br', BrotliSchema, {
      quality,
      windowBits,
      inputBlockBits,
      disableLiteralContextModeling: noLiteralContext,
      ...(mode && { encoderMode: BROTLI_MODES[mode] }),
    });
  }
  const { level, checksum = false, strategy } = encoding;
  return extension('zstd', ZstdSchema, {
    compressionLevel: level,
    enableChecksum: checksum,
    strategy: strategy ? ZSTD_STRATEGIES.indexOf(strategy) + 1 : 0,
  });
};

/** uncompressible_response_codes (206) and weaken_etag_on_compress. */
const NEWER = [
  { no: 4, wireType: WireType.LengthDelimited, data: new Uint8Array([2, 0xce, 0x01]) },
  { no: 6, wireType: WireType.Varint, data: new Uint8Array([1]) },
];

const encodingsOf = ({ virtualHosts }: RouteTable): Encoding[] => {
  const found = new Map<string, Encoding>();
  for (const { routes } of virtualHosts) {
    for (const { filters } of routes) {
      for (const filter of filters) {
        if (filter.type !== 'compression') continue;
        for (const encoding of filter.encodings) found.set(nameOf(encoding), encoding);
      }
    }
  }
  return [...found.values()].sort((a, b) => ENCODINGS.indexOf(a.name) - ENCODINGS.indexOf(b.name));
};

const ON = pack(CompressorPerRouteSchema, { override: { case: 'overrides', value: { responseDirectionConfig: {} } } });
const OFF = pack(CompressorPerRouteSchema, { override: { case: 'disabled', value: true } });

export const envoyFilter: EnvoyFilter<Compression> = {
  chainKey: (table) => encodingsOf(table).map(nameOf).join(),
  httpFilter: (_handler, table) =>
    (table ? encodingsOf(table) : []).map((encoding) => ({
      ...configured(nameOf(encoding), CompressorSchema, {
        compressorLibrary: libraryOf(encoding),
        responseDirectionConfig: withNewer(
          Compressor_ResponseDirectionConfigSchema,
          { commonConfig: { minContentLength: encoding.minBytes, contentType: [...CONTENT_TYPES] } },
          NEWER,
        ),
      }),
      disabled: true,
    })),
  off: (name) => (name.startsWith(NAME) ? OFF : undefined),
  route: (filters) => ({
    perFilter: Object.fromEntries(filters.at(-1)!.encodings.map((encoding) => [nameOf(encoding), ON])),
  }),
};
