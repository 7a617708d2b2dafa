// The budget of the property tests and the numbers that they draw: fixed in CI, more of both with FUZZ_SECONDS.
// `npm run fuzz` sets it; FUZZ_SEED repeats a run that failed.

/** A number from 0 to `below` - 1. */
export type Draw = (below: number) => number;

/** Park and Miller's generator: the same numbers for the same seed. */
export const makeRandom = (seed: number): Draw => {
  let state = (seed % 2_147_483_646) + 1;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
};

export const pickFrom = <T>(draw: Draw, list: readonly T[]): T => list[draw(list.length)]!;

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 0);
const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 0);

/**
 * Calls `round` a fixed number of times with numbers of a fixed seed; with FUZZ_SECONDS goes on with other seeds until the
 * time is over. What fails names the seed.
 */
export const fuzz = (rounds: number, seed: number, round: (draw: Draw, index: number) => void): void => {
  const end = performance.now() + SECONDS * 1000;
  for (let extra = FIRST_SEED; ; extra++) {
    const draw = makeRandom(seed + extra * 1000);
    for (let index = 0; index < rounds; index++) {
      try {
        round(draw, index);
      } catch (cause) {
        throw new Error(`round ${index} of FUZZ_SEED=${extra} failed: ${cause}`, { cause });
      }
    }
    if (performance.now() >= end) return;
  }
};

/** A few bytes changed, left out, put in or doubled. */
export const mutate = (draw: Draw, bytes: Buffer): Buffer => {
  let out = Buffer.from(bytes);
  for (let n = 1 + draw(4); n > 0; n--) {
    const at = draw(out.length + 1);
    const size = 1 + draw(8);
    switch (draw(5)) {
      case 0:
        out = Buffer.concat([out.subarray(0, at), out.subarray(at + size)]);
        break;
      case 1:
        out = Buffer.concat([out.subarray(0, at), Buffer.from([draw(256)]), out.subarray(at)]);
        break;
      case 2:
        out = Buffer.concat([out.subarray(0, at + size), out.subarray(at)]);
        break;
      case 3:
        out = out.subarray(0, at);
        break;
      default:
        if (at < out.length) out[at] = pickFrom(draw, [0, 1, 0x7f, 0x80, 0xff, draw(256)]);
    }
  }
  return out;
};
