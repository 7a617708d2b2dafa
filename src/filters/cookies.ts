// Cookies that keep a client with an endpoint: read from requests, set on answers. Used by session-affinity and hash-affinity.
import type { RequestHead } from '../model/http.ts';

/** The first of this name, without quotes. */
export const cookieOf = (head: RequestHead, name: string): string | undefined => {
  const { headers } = head;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue;
    for (const pair of headers[i + 1]!.split(';')) {
      const cut = pair.indexOf('=');
      if (cut > 0 && pair.slice(0, cut).trim() === name)
        return pair
          .slice(cut + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1');
    }
  }
  return undefined;
};

/** `rest`: further attributes, each with `; ` before it. */
export const setCookie = (name: string, value: string, ttlMs: number | undefined, rest: string): string => {
  const age = ttlMs ? `; Max-Age=${Math.floor(ttlMs / 1000)}` : '';
  return `${name}="${value}"${age}${rest}; HttpOnly`;
};
