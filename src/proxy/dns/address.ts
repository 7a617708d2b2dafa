// IP addresses as the data of A and AAAA records. Called by name-table.ts.
import { isIPv4 } from 'node:net';

/** Of an address that `isIP` takes. */
export const addressData = (address: string): Buffer => {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // The end of an IPv6 address may be written as an IPv4 address.
  const [plain = ''] = address.split('%');
  const text = plain.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const [front, back] = [groups(head), groups(tail ?? '')];
  const all = [...front, ...Array<number>(Math.max(0, 8 - front.length - back.length)).fill(0), ...back];
  const data = Buffer.alloc(16);
  for (const [i, group] of all.slice(0, 8).entries()) data.writeUInt16BE(group, 2 * i);
  return data;
};
