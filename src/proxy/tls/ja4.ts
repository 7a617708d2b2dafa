// The JA4 fingerprint of a ClientHello: which TLS library and settings a client has. Called by listener.ts for clients that are refused.
import { createHash } from 'node:crypto';
import { readClientHello } from './client-hello.ts';

const SERVER_NAME = 0x0000;
const SIGNATURE_ALGORITHMS = 0x000d;
const ALPN = 0x0010;
const SUPPORTED_VERSIONS = 0x002b;

const VERSIONS: Readonly<Record<number, string>> = { 772: '13', 771: '12', 770: '11', 769: '10', 768: 's3' };

/** Values that clients mix in at random (RFC 8701). */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);

const numbersIn = (bytes: Buffer, start: number): number[] => {
  const numbers: number[] = [];
  for (let at = start; at + 1 < bytes.length; at += 2) numbers.push(bytes.readUInt16BE(at));
  return numbers.filter((number) => !isGrease(number));
};

const hex = (number: number): string => number.toString(16).padStart(4, '0');

const digest = (text: string): string =>
  text === '' ? '000000000000' : createHash('sha256').update(text).digest('hex').slice(0, 12);

const two = (count: number): string => String(Math.min(count, 99)).padStart(2, '0');

/** The first and last character of the first protocol; of its hexadecimal form where these are no letters or digits. */
const alpnOf = (extension: Buffer | undefined): string => {
  const length = extension?.[2] ?? 0;
  if (!extension || length === 0 || extension.length < 3 + length) return '00';
  const name = extension.subarray(3, 3 + length);
  const [first, last] = [name[0]!, name.at(-1)!].map((byte) => String.fromCharCode(byte));
  if (/^[0-9A-Za-z]{2}$/.test(`${first}${last}`)) return `${first}${last}`;
  const digits = name.toString('hex');
  return `${digits[0]}${digits.at(-1)}`;
};

/** Empty where the bytes are no whole ClientHello. */
export const ja4Of = (bytes: Buffer): string => {
  const hello = readClientHello(bytes);
  if (typeof hello === 'string') return '';
  const extensions = hello.extensions.filter(({ type }) => !isGrease(type));
  const dataOf = (wanted: number) => extensions.find(({ type }) => type === wanted)?.data;
  const offered = numbersIn(dataOf(SUPPORTED_VERSIONS) ?? Buffer.alloc(0), 1);
  const version = VERSIONS[offered.length > 0 ? Math.max(...offered) : hello.version] ?? '00';
  const suites = numbersIn(hello.suites, 0);
  const sni = dataOf(SERVER_NAME) ? 'd' : 'i';
  const a = `t${version}${sni}${two(suites.length)}${two(extensions.length)}${alpnOf(dataOf(ALPN))}`;
  const types = extensions.map(({ type }) => type).filter((type) => type !== SERVER_NAME && type !== ALPN);
  const signatures = numbersIn(dataOf(SIGNATURE_ALGORITHMS) ?? Buffer.alloc(0), 2)
    .map(hex)
    .join(',');
  const c = `${types.map(hex).sort().join(',')}${signatures === '' ? '' : `_${signatures}`}`;
  return `${a}_${digest(suites.map(hex).sort().join(','))}_${digest(c)}`;
};
