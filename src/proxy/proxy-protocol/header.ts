// The PROXY protocol's header, versions 1 and 2: who the client is, told by a load balancer at the start of a connection.
// Read by proxy-protocol/read.ts, written by dial.ts. Specification: haproxy.org, proxy-protocol.txt.
import { type Address, formatAddress, parseAddress } from '../../lib/cidr.ts';
import type { Cluster } from '../../model/snapshot.ts';

/** Both ends of a connection, as its client sees it. */
export interface Origin {
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** Of connections that are for nobody in particular. */
export const NO_ORIGIN: Origin = { peerAddress: '', peerPort: 0, localAddress: '', localPort: 0 };

export interface ProxyHeader {
  readonly lengthBytes: number;
  /** Undefined where the header names nobody: the balancer's own checks, and families that are not of the internet. */
  readonly origin: Origin | undefined;
}

/** `more`: it may become a header; `none`: it is something else; `invalid`: it begins as a header and is none. */
export type ProxyHeaderResult = ProxyHeader | 'more' | 'none' | 'invalid';

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

const V1_START = bytesOf('PROXY ');
const V2_START = bytesOf('\r\n\r\n\0\r\nQUIT\n');
/** With its CRLF, for two of the longest addresses. */
const V1_MAX_BYTES = 107;
const V2_FIXED_BYTES = 16;
/** Addresses and TLVs; a load balancer sends some hundred bytes. */
const V2_MAX_REST_BYTES = 4096;

/** How two buffers compare over what both have. */
const begins = (bytes: Buffer, start: Buffer): boolean => {
  const shared = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, shared, 0, shared) === 0;
};

export const parseProxyHeader = (bytes: Buffer): ProxyHeaderResult => {
  if (bytes.length === 0) return 'more';
  if (begins(bytes, V1_START)) return bytes.length < V1_START.length ? 'more' : parseV1(bytes);
  if (begins(bytes, V2_START)) return bytes.length < V2_FIXED_BYTES ? 'more' : parseV2(bytes);
  return 'none';
};

const V1_LINE = /^PROXY (TCP4|TCP6) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})$/;

const parseV1 = (bytes: Buffer): ProxyHeaderResult => {
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, V1_MAX_BYTES));
  const end = text.indexOf('\r\n');
  if (end < 0) return bytes.length < V1_MAX_BYTES && !text.includes('\n') ? 'more' : 'invalid';
  const line = text.slice(0, end);
  const lengthBytes = end + 2;
  // What follows this word says nothing and is left out.
  if (/^PROXY UNKNOWN(?: [\x20-\x7e]*)?$/.test(line)) return { lengthBytes, origin: undefined };
  const [, family, source = '', destination = '', sourcePort, destinationPort] = V1_LINE.exec(line) ?? [];
  const [peer, local] = [parseAddress(source), parseAddress(destination)];
  const [peerPort, localPort] = [Number(sourcePort), Number(destinationPort)];
  const isV6 = family === 'TCP6';
  const fits = peer && local && source.includes(':') === isV6 && destination.includes(':') === isV6;
  if (!fits || peerPort > 65_535 || localPort > 65_535) return 'invalid';
  const origin = { peerAddress: formatAddress(peer), peerPort, localAddress: formatAddress(local), localPort };
  return { lengthBytes, origin };
};

const LOCAL = 0x20;
const PROXY = 0x21;
const INET = 1;
const INET6 = 2;
const STREAM = 1;
/** By family: unspecified, IPv4, IPv6, unix. */
const ADDRESS_BYTES = [0, 12, 36, 216];

const parseV2 = (bytes: Buffer): ProxyHeaderResult => {
  const command = bytes[12]!;
  const family = bytes[13]! >> 4;
  const transport = bytes[13]! & 15;
  const restBytes = bytes.readUInt16BE(14);
  if ((command !== LOCAL && command !== PROXY) || restBytes > V2_MAX_REST_BYTES) return 'invalid';
  const lengthBytes = V2_FIXED_BYTES + restBytes;
  if (command === PROXY) {
    const needed = ADDRESS_BYTES[family];
    if (needed === undefined || transport > 2 || restBytes < needed) return 'invalid';
  }
  if (bytes.length < lengthBytes) return 'more';
  const named = command === PROXY && transport === STREAM && (family === INET || family === INET6);
  return { lengthBytes, origin: named ? originAt(bytes.subarray(V2_FIXED_BYTES), family === INET6) : undefined };
};

const originAt = (bytes: Buffer, isV6: boolean): Origin => {
  const size = isV6 ? 16 : 4;
  const addressAt = (at: number): string => {
    const word = (i: number) => bytes.readUInt32BE(at + i * 4);
    return formatAddress(isV6 ? [word(0), word(1), word(2), word(3)] : [0, 0, 0xffff, word(0)]);
  };
  return {
    peerAddress: addressAt(0),
    localAddress: addressAt(size),
    peerPort: bytes.readUInt16BE(size * 2),
    localPort: bytes.readUInt16BE(size * 2 + 2),
  };
};

const isV4 = (address: Address): boolean => address[0] === 0 && address[1] === 0 && address[2] === 0xffff;

/** `UNKNOWN`, or LOCAL, where an address is none of the internet's. Of mixed families the IPv4 address is mapped. */
export const encodeProxyHeader = (version: NonNullable<Cluster['proxyProtocol']>, origin: Origin): Buffer => {
  const [peer, local] = [parseAddress(origin.peerAddress), parseAddress(origin.localAddress)];
  return version === 'v1' ? encodeV1(origin, peer, local) : encodeV2(origin, peer, local);
};

const encodeV1 = ({ peerPort, localPort }: Origin, peer: Address | undefined, local: Address | undefined): Buffer => {
  if (!peer || !local) return bytesOf('PROXY UNKNOWN\r\n');
  const isV6 = !isV4(peer) || !isV4(local);
  const text = (address: Address) => `${isV6 && isV4(address) ? '::ffff:' : ''}${formatAddress(address)}`;
  return Buffer.from(`PROXY ${isV6 ? 'TCP6' : 'TCP4'} ${text(peer)} ${text(local)} ${peerPort} ${localPort}\r\n`);
};

const encodeV2 = ({ peerPort, localPort }: Origin, peer: Address | undefined, local: Address | undefined): Buffer => {
  const known = peer && local ? { peer, local } : undefined;
  const isV6 = known !== undefined && (!isV4(known.peer) || !isV4(known.local));
  const restBytes = known ? ADDRESS_BYTES[isV6 ? INET6 : INET]! : 0;
  const header = Buffer.alloc(V2_FIXED_BYTES + restBytes);
  V2_START.copy(header);
  header[12] = known ? PROXY : LOCAL;
  header[13] = known ? ((isV6 ? INET6 : INET) << 4) | STREAM : 0;
  header.writeUInt16BE(restBytes, 14);
  if (!known) return header;
  let at = V2_FIXED_BYTES;
  for (const address of [known.peer, known.local]) {
    for (const word of isV6 ? address : address.slice(3)) at = header.writeUInt32BE(word, at);
  }
  header.writeUInt16BE(localPort, header.writeUInt16BE(peerPort, at));
  return header;
};
