// BackendTrafficPolicy's compression: schema, types, and the rules that the schema can't say.
import { parseQuantity } from '../quantity.ts';
import type { Check } from '../route-parts.ts';
import { flag, integer, intOrString, list, object, text } from '../schema.ts';

export interface CompressionSpec {
  readonly type: 'Gzip' | 'Brotli' | 'Zstd';
  readonly gzip?: {
    readonly compressionLevel?: number;
    readonly compressionStrategy?: 'Default' | 'Filtered' | 'HuffmanOnly' | 'RLE' | 'Fixed';
    readonly memoryLevel?: number;
    readonly windowBits?: number;
  };
  readonly brotli?: {
    readonly quality?: number;
    readonly encoderMode?: 'Default' | 'Generic' | 'Text' | 'Font';
    readonly windowBits?: number;
    readonly inputBlockBits?: number;
    readonly disableLiteralContextModeling?: boolean;
  };
  readonly zstd?: {
    readonly compressionLevel?: number;
    readonly enableChecksum?: boolean;
    readonly strategy?: string;
  };
  readonly minContentLength?: number | string;
}

const within = (description: string, minimum: number, maximum: number) =>
  integer(description, { format: 'int32', minimum, maximum });

const chunkSize = () => within('Bytes of one buffer; it has no effect on the answer.', 4096, 65_536);

const compression = object('One encoding.', {
  'type!': text('Its kind.', { enum: ['Gzip', 'Brotli', 'Zstd'] }),
  gzip: object('How it is made with Gzip.', {
    compressionLevel: within('From fast to small; 6 when unset.', 1, 9),
    compressionStrategy: text('What it is tuned for.', {
      enum: ['Default', 'Filtered', 'HuffmanOnly', 'RLE', 'Fixed'],
    }),
    memoryLevel: within('How much memory it uses; 5 when unset.', 1, 9),
    windowBits: within('The window is 2 to this power; 12 when unset.', 9, 15),
    chunkSize: chunkSize(),
  }),
  brotli: object('How it is made with Brotli.', {
    quality: within('From fast to small; 3 when unset.', 0, 11),
    encoderMode: text('What it is tuned for.', { enum: ['Default', 'Generic', 'Text', 'Font'] }),
    windowBits: within('The window is 2 to this power; 18 when unset.', 10, 24),
    inputBlockBits: within('A block is 2 to this power; 24 when unset.', 16, 24),
    chunkSize: chunkSize(),
    disableLiteralContextModeling: flag('Whether it is made to be decoded faster.'),
  }),
  zstd: object('How it is made with Zstandard.', {
    compressionLevel: within('From fast to small; 3 when unset.', 1, 22),
    enableChecksum: flag('Whether a checksum is at the end.'),
    strategy: text('What it is tuned for.', {
      enum: ['Default', 'Fast', 'DFast', 'Greedy', 'Lazy', 'Lazy2', 'BTLazy2', 'BTOpt', 'BTUltra', 'BTUltra2'],
    }),
    chunkSize: chunkSize(),
  }),
  minContentLength: intOrString('The shortest answer, in bytes or with a unit, that is compressed; 30 when unset.'),
});

export const compressionFields = {
  compression: list('As compressor, which comes before it.', compression),
  compressor: list('How answers are compressed; of several what the client likes best.', compression),
};

/** Envoy takes no less. */
const MIN_BYTES = 30;

export const checkCompression = (specs: readonly CompressionSpec[], path: string, check: Check): void => {
  specs.forEach((spec, i) => {
    for (const [field, type] of [['gzip', 'Gzip'] as const, ['brotli', 'Brotli'] as const, ['zstd', 'Zstd'] as const]) {
      if (spec[field] && spec.type !== type) {
        check(`${path}[${i}].${field}`, `is only allowed when the type is ${type}`);
      }
    }
    if (spec.minContentLength === undefined) return;
    const bytes = parseQuantity(spec.minContentLength);
    if (bytes === undefined || bytes > 2 ** 32 - 1) {
      check(`${path}[${i}].minContentLength`, 'must be a number of bytes such as 1024 or 1Ki');
    } else if (bytes < MIN_BYTES) check(`${path}[${i}].minContentLength`, `must be ${MIN_BYTES} or more`);
  });
};
