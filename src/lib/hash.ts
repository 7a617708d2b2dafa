// Hashes of 32 bits for choosing endpoints: quick, evenly spread, the same on every machine, and not for keeping secrets.
// Used by the balancer, and by affinities.

/** MurmurHash3's final mix: each bit of the input changes every bit of the result with even chance. */
export const mixHash = (value: number): number => {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

/** MurmurHash3 (x86, 32 bits), each character as one block. */
export const hashText = (text: string, seed = 0): number => {
  let hash = seed | 0;
  for (let i = 0; i < text.length; i++) {
    let block = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    block = Math.imul((block << 15) | (block >>> 17), 0x1b873593);
    hash ^= block;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  return mixHash(hash ^ text.length);
};

/** Of several parts, of which the order matters. */
export const joinHashes = (before: number, next: number): number =>
  mixHash((Math.imul((before << 1) | (before >>> 31), 31) ^ next) | 0);
