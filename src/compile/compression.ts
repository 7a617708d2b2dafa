// The compression of one BackendTrafficPolicy. Used by backend-settings.ts.

import { type Compression, ENCODINGS, type Encoding, type ZstdStrategy } from '../filters/compression/schema.ts';
import type { CompressionSpec } from '../kinds/backend-traffic-policy/compression.ts';
import type { BackendTrafficPolicySpec } from '../kinds/backend-traffic-policy/types.ts';
import { parseQuantity } from '../kinds/quantity.ts';

const MIN_BYTES = 30;

const encodingOf = ({ type, gzip, brotli, zstd, minContentLength }: CompressionSpec): Encoding => {
  const minBytes = parseQuantity(minContentLength) ?? MIN_BYTES;
  if (type === 'Gzip') {
    const { compressionLevel, compressionStrategy = 'Default', memoryLevel = 5, windowBits = 12 } = gzip ?? {};
    return {
      name: 'gzip',
      minBytes,
      memoryLevel,
      windowBits,
      ...(compressionLevel !== undefined && { level: compressionLevel }),
      ...(compressionStrategy !== 'Default' && { strategy: compressionStrategy }),
    };
  }
  if (type === 'Brotli') {
    const { quality = 3, encoderMode = 'Default', windowBits = 18, inputBlockBits = 24 } = brotli ?? {};
    return {
      name: 'br',
      minBytes,
      quality,
      windowBits,
      inputBlockBits,
      ...(encoderMode !== 'Default' && { mode: encoderMode }),
      ...(brotli?.disableLiteralContextModeling && { noLiteralContext: true }),
    };
  }
  const { compressionLevel = 3, enableChecksum, strategy = 'Default' } = zstd ?? {};
  return {
    name: 'zstd',
    minBytes,
    level: compressionLevel,
    ...(enableChecksum && { checksum: true }),
    ...(strategy !== 'Default' && { strategy: strategy as ZstdStrategy }),
  };
};

/** Of several entries of one type the first counts. */
export const compileCompression = ({ compressor, compression }: BackendTrafficPolicySpec): Compression | undefined => {
  const all = (compressor?.length ? compressor : (compression ?? [])).map(encodingOf);
  const encodings = ENCODINGS.flatMap((name) => all.find((one) => one.name === name) ?? []);
  return encodings.length > 0 ? { type: 'compression', encodings } : undefined;
};
