// Reads resolv.conf(5): whom the system asks for names. Called by upstreams.ts.
import { isIP } from 'node:net';

export interface ResolvConf {
  /** IP addresses, asked in this order. */
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly timeoutMs: number;
  /** How often each server is asked. */
  readonly attempts: number;
}

/** As the system's own library bounds them. */
const MAX_SERVERS = 3;
const MAX_SEARCH = 32;
const [DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S] = [2, 10];
const [DEFAULT_ATTEMPTS, MAX_ATTEMPTS] = [2, 5];

const optionOf = (words: readonly string[], name: string, usual: number, max: number): number => {
  const word = words.findLast((one) => one.startsWith(`${name}:`));
  const value = word === undefined ? Number.NaN : Number(word.slice(name.length + 1));
  return Number.isInteger(value) && value >= 1 ? Math.min(value, max) : usual;
};

/** Lines that nobody understands are passed over, as the system's library does. */
export const parseResolvConf = (text: string): ResolvConf => {
  const servers: string[] = [];
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    const [first = ''] = words;
    if (keyword === 'nameserver' && isIP(first) !== 0 && servers.length < MAX_SERVERS) servers.push(first);
    else if (keyword === 'search' || keyword === 'domain') search = words.slice(0, MAX_SEARCH);
    else if (keyword === 'options') options.push(...words);
  }
  return {
    servers,
    search: search.map((domain) => domain.toLowerCase().replace(/\.$/, '')),
    timeoutMs: 1000 * optionOf(options, 'timeout', DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S),
    attempts: optionOf(options, 'attempts', DEFAULT_ATTEMPTS, MAX_ATTEMPTS),
  };
};
