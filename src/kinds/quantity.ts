// Whole quantities as Kubernetes writes them (`1024`, `10Mi`, `5k`). Used by checks and compile.

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Undefined where the form is another, and for zero. */
export const parseQuantity = (given: unknown): number | undefined => {
  const [, amount, unit = ''] = /^([1-9][0-9]{0,18})([EPTGMK]i|[EPTGMk])?$/.exec(String(given)) ?? [];
  return amount === undefined ? undefined : Number(amount) * UNITS[unit]!;
};
