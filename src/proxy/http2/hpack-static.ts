// HPACK's static table (RFC 7541, appendix A) as flat pairs of name and value. Called by hpack-decoder.ts and hpack-encoder.ts.

const VALUES: Readonly<Record<string, readonly string[]>> = {
  ':method': ['GET', 'POST'],
  ':path': ['/', '/index.html'],
  ':scheme': ['http', 'https'],
  ':status': ['200', '204', '206', '304', '400', '404', '500'],
  'accept-encoding': ['gzip, deflate'],
};

const NAMES = [
  ':authority :method :path :scheme :status accept-charset accept-encoding accept-language accept-ranges accept',
  'access-control-allow-origin age allow authorization cache-control content-disposition content-encoding',
  'content-language content-length content-location content-range content-type cookie date etag expect expires',
  'from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards',
  'proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie',
  'strict-transport-security transfer-encoding user-agent vary via www-authenticate',
];

/** Entry 1 is at 0 and 1, entry n at 2n - 2 and 2n - 1. */
export const STATIC_TABLE: readonly string[] = NAMES.join(' ')
  .split(' ')
  .flatMap((name) => (VALUES[name] ?? ['']).flatMap((value) => [name, value]));

export const STATIC_ENTRIES = STATIC_TABLE.length / 2;

/** What an entry of a dynamic table costs beside its name and value (RFC 7541, 4.1). */
export const ENTRY_OVERHEAD = 32;

/** The size of a dynamic table before any setting speaks of it. */
export const DEFAULT_TABLE_SIZE = 4096;
