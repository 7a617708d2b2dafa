// A message head as the data plane holds it: flat, without an object per header. Shared by codecs, routing, policy, filters.

export interface Head {
  /** Lower-case name, value, name, value, … in the order received; latin1 strings, values trimmed. */
  headers: string[];
}

export interface RequestHead extends Head {
  /** As received; methods are case-sensitive. */
  method: string;
  /** Without the query; starts with `/` (or is `*` for OPTIONS). In the normal form of policy/path.ts, which the proxy makes once, on arrival; Envoy does so by `normalize_path`. */
  path: string;
  /** Behind the `?`, without it; empty when there is none. */
  query: string;
  /** Lower-case authority with the port as sent: from the absolute-form target where there was one, else Host. */
  host: string;
}

export interface ResponseHead extends Head {
  status: number;
}

/**
 * On a 503 of an inbound proxy, `true`: its program never saw the request, so another endpoint may get it whatever the
 * method is. Said between proxies alone, over mutual TLS; programs can't say it, callers don't see it.
 */
export const UNSENT_HEADER = 'x-weft-unsent';

/** The first value of a header by its lower-case name. */
export const headerOf = (head: Head, name: string): string | undefined => {
  const { headers } = head;
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
};
