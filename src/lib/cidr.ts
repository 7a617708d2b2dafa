// IP addresses and blocks of them. Called by policy decisions at request time, by kinds to check what users write.

/** Four 32-bit words of an IPv6 address; IPv4 is held as its mapped form, `::ffff:a.b.c.d`, so that both compare. */
export type Address = readonly [number, number, number, number];

export interface Cidr {
  readonly address: Address;
  /** Of 128. */
  readonly prefixLength: number;
}

const MAPPED = 0xffff;

const parseIpv4 = (text: string): number | undefined => {
  let value = 0;
  let part = -1;
  let parts = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 46;
    if (code === 46) {
      if (part < 0 || ++parts > 4) return undefined;
      value = value * 256 + part;
      part = -1;
    } else {
      // No leading zeros: some read them as octal.
      if (code < 48 || code > 57 || part === 0) return undefined;
      part = (part < 0 ? 0 : part * 10) + code - 48;
      if (part > 255) return undefined;
    }
  }
  return parts === 4 ? value : undefined;
};

const parseGroups = (text: string): number[] | undefined => {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (i === parts.length - 1 && part.includes('.')) {
      const ipv4 = parseIpv4(part);
      if (ipv4 === undefined) return undefined;
      groups.push(ipv4 >>> 16, ipv4 & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
};

const parseIpv6 = (text: string): Address | undefined => {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!);
  const tail = halves.length === 2 ? parseGroups(halves[1]!) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const word = (i: number) => groups[i]! * 65536 + groups[i + 1]!;
  return [word(0), word(2), word(4), word(6)];
};

/** An IPv4 or IPv6 address; a zone (`%eth0`) is left out. Undefined for anything else. */
export const parseAddress = (text: string): Address | undefined => {
  if (text.length > 100) return undefined;
  const ipv4 = parseIpv4(text);
  if (ipv4 !== undefined) return [0, 0, MAPPED, ipv4];
  if (!text.includes(':')) return undefined;
  const zone = text.indexOf('%');
  return parseIpv6(zone < 0 ? text : text.slice(0, zone));
};

const formatIpv4 = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');

/** As RFC 5952 has it; an IPv4 address without its mapping. */
export const formatAddress = ([a, b, c, d]: Address): string => {
  if (a === 0 && b === 0 && c === MAPPED) return formatIpv4(d);
  const groups = [a, b, c, d].flatMap((word) => [word >>> 16, word & 0xffff]);
  let [start, length] = [0, 1];
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
};

/** `10.0.0.0/8`, `fd00::/8`, or a single address. Undefined for anything else. */
export const parseCidr = (text: string): Cidr | undefined => {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!address || text.includes('%')) return undefined;
  const offset = text.includes(':') ? 0 : 96;
  if (slash < 0) return { address, prefixLength: 128 };
  const length = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > 128 - offset) return undefined;
  return { address, prefixLength: Number(length) + offset };
};

export const cidrContains = ({ address, prefixLength }: Cidr, candidate: Address): boolean => {
  for (let word = 0; word < 4; word++) {
    const bits = Math.min(32, prefixLength - word * 32);
    if (bits <= 0) return true;
    const mask = bits === 32 ? 0xffffffff : ~(0xffffffff >>> bits);
    if (((address[word]! ^ candidate[word]!) & mask) !== 0) return false;
  }
  return true;
};
