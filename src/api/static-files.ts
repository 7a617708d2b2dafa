// Serves the files of the console from one folder, with headers that allow nothing from elsewhere.
import { readFile, realpath, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

const MAX_FILE_BYTES = 8 * 1024 * 1024;

export const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
} as const;

/** The file's path inside the folder; undefined when it leads out of it, is not a file, or is of no known type. */
const locate = async (root: string, segments: readonly string[]): Promise<string | undefined> => {
  if (segments.some((segment) => segment.startsWith('.') || /[/\\\0]/.test(segment))) return undefined;
  const wanted = join(root, ...(segments.length === 0 ? ['index.html'] : segments));
  if (TYPES[extname(wanted)] === undefined) return undefined;
  try {
    const [base, path] = await Promise.all([realpath(root), realpath(wanted)]);
    const found = await stat(path);
    return path.startsWith(base + sep) && found.isFile() && found.size <= MAX_FILE_BYTES ? path : undefined;
  } catch {
    return undefined;
  }
};

/** False when there is no such file; nothing was sent then. */
export const sendFile = async (root: string, segments: readonly string[], res: ServerResponse): Promise<boolean> => {
  const path = await locate(root, segments);
  if (path === undefined) return false;
  const bytes = await readFile(path);
  res.writeHead(200, { ...PAGE_HEADERS, 'content-type': TYPES[extname(path)]!, 'content-length': bytes.length });
  res.end(bytes);
  return true;
};
