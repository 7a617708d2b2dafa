// Compression of answers, as a route has it.
declare module '../../model/route.ts' {
  interface RouteFilterTypes {
    readonly compression: Compression;
  }
}

export interface Compression {
  readonly type: 'compression';
  /** Each once; what clients like best is used. In the order of ENCODINGS. */
  readonly encodings: readonly Encoding[];
}

export type Encoding = { readonly minBytes: number } & (
  | ({ readonly name: 'gzip' } & GzipOptions)
  | ({ readonly name: 'br' } & BrotliOptions)
  | ({ readonly name: 'zstd' } & ZstdOptions)
);

/** For those who take any. */
export const ENCODINGS: readonly Encoding['name'][] = ['gzip', 'br', 'zstd'];

export interface GzipOptions {
  readonly level?: number;
  readonly strategy?: 'Filtered' | 'HuffmanOnly' | 'RLE' | 'Fixed';
  readonly memoryLevel: number;
  readonly windowBits: number;
}

export interface BrotliOptions {
  readonly quality: number;
  readonly mode?: 'Generic' | 'Text' | 'Font';
  readonly windowBits: number;
  readonly inputBlockBits: number;
  readonly noLiteralContext?: true;
}

export interface ZstdOptions {
  readonly level: number;
  readonly checksum?: true;
  readonly strategy?: ZstdStrategy;
}

export const ZSTD_STRATEGIES = [
  'Fast',
  'DFast',
  'Greedy',
  'Lazy',
  'Lazy2',
  'BTLazy2',
  'BTOpt',
  'BTUltra',
  'BTUltra2',
] as const;

export type ZstdStrategy = (typeof ZSTD_STRATEGIES)[number];

/** What is worth it; answers that don't say what they are, too. */
export const CONTENT_TYPES: readonly string[] = [
  'application/javascript',
  'application/json',
  'application/ld+json',
  'application/manifest+json',
  'application/problem+json',
  'application/vnd.api+json',
  'application/wasm',
  'application/x-javascript',
  'application/xhtml+xml',
  'application/xml',
  'image/svg+xml',
  'text/css',
  'text/csv',
  'text/event-stream',
  'text/html',
  'text/javascript',
  'text/markdown',
  'text/plain',
  'text/xml',
];
