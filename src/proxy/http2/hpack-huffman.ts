// HPACK's Huffman code (RFC 7541, appendix B), decoded by one table lookup per byte. Called by hpack-decoder.ts.

// The code is canonical: codes of one length follow one another in the order of their symbols, so the lengths tell it whole.
// One letter per symbol from 0 to 256 (the end of the string): `a` is 5 bits, `z` is 30.
const LENGTHS =
  'isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhfibccccccccccccccccccccccdcdioijb' +
  'kabababbbaccbbbabcbaabccccckgjixprpprrrsrssssststtrstssssqrsrsstrqprrssqsrrtqrssqqrqsrssprrrsrrs' +
  'vvporsruvvvwwvtuoqvwwvwtqqvvxwwwptpqrqqsrruuttvsvwvvwwwwwxwwwwwvz';

const END_OF_STRING = 256;
const STATES = 256;

/** Codes by symbol, without leading zeros told: `lengths` says how many bits count. */
export const huffmanCodes = (): { codes: Uint32Array; lengths: Uint8Array } => {
  const lengths = Uint8Array.from(LENGTHS, (letter) => letter.charCodeAt(0) - 92);
  const codes = new Uint32Array(lengths.length);
  let code = 0;
  for (let length = 5; length <= 30; length++) {
    for (let symbol = 0; symbol < lengths.length; symbol++) if (lengths[symbol] === length) codes[symbol] = code++;
    code *= 2;
  }
  return { codes, lengths };
};

/** The code as a tree: children of node n at 2n and 2n + 1, a further node as its number, a symbol as ~symbol. */
const buildTree = (): Int16Array => {
  const { codes, lengths } = huffmanCodes();
  const tree = new Int16Array(2 * STATES);
  let nodes = 1;
  for (let symbol = 0; symbol < codes.length; symbol++) {
    let node = 0;
    for (let bit = lengths[symbol]! - 1; bit > 0; bit--) {
      const side = 2 * node + ((codes[symbol]! >>> bit) & 1);
      if (tree[side] === 0) tree[side] = nodes++;
      node = tree[side]!;
    }
    tree[2 * node + (codes[symbol]! & 1)] = ~symbol;
  }
  return tree;
};

const INVALID = 3;

/**
 * What a byte does in a state (a node of the tree): the next state, how many symbols it ends (at most two, as no code is
 * shorter than five bits; INVALID where the end of the string stands in it) and those symbols, eight bits each.
 */
const buildSteps = (tree: Int16Array): Uint32Array => {
  const steps = new Uint32Array(STATES * 256);
  for (let at = 0; at < steps.length; at++) {
    let node = at >>> 8;
    let count = 0;
    let symbols = 0;
    for (let bit = 7; bit >= 0 && count !== INVALID; bit--) {
      node = tree[2 * node + ((at >>> bit) & 1)]!;
      if (node >= 0) continue;
      if (~node === END_OF_STRING) count = INVALID;
      else symbols |= ~node << (8 * count++);
      node = 0;
    }
    steps[at] = node | (count << 8) | (symbols << 16);
  }
  return steps;
};

/** States in which a string may end: fewer than eight bits of a code begun, all of them ones (RFC 7541, 5.2). */
const buildEnds = (tree: Int16Array): Uint8Array => {
  const ends = new Uint8Array(STATES);
  for (let node = 0, depth = 0; depth < 8; depth++) {
    ends[node] = 1;
    node = tree[2 * node + 1]!;
  }
  return ends;
};

const TREE = buildTree();
const STEPS = buildSteps(TREE);
const ENDS = buildEnds(TREE);

/** Bytes that a coded string of this length can become at most. */
export const maxDecodedLength = (codedBytes: number): number => Math.floor((codedBytes * 8) / 5);

/** Decodes a range into `into`, which has room for it; how many bytes it became, or -1 where it isn't a valid string. */
export const decodeHuffman = (buffer: Uint8Array, start: number, end: number, into: Uint8Array): number => {
  let state = 0;
  let size = 0;
  for (let i = start; i < end; i++) {
    const step = STEPS[(state << 8) | buffer[i]!]!;
    const count = (step >>> 8) & 3;
    if (count === INVALID) return -1;
    if (count > 0) into[size++] = (step >>> 16) & 255;
    if (count > 1) into[size++] = step >>> 24;
    state = step & 255;
  }
  return ENDS[state] === 1 ? size : -1;
};
