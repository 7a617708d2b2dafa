// %START_TIME(…)% of access logs: strftime's letters, and Envoy's for fractions of a second. Used by operators.ts.

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

const two = (value: number): string => `${value}`.padStart(2, '0');

const dayOfYear = (time: Date): number =>
  Math.floor((time.getTime() - Date.UTC(time.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;

const LETTERS: Readonly<Record<string, (time: Date) => string>> = {
  a: (time) => DAYS[time.getUTCDay()]!.slice(0, 3),
  A: (time) => DAYS[time.getUTCDay()]!,
  b: (time) => MONTHS[time.getUTCMonth()]!.slice(0, 3),
  B: (time) => MONTHS[time.getUTCMonth()]!,
  d: (time) => two(time.getUTCDate()),
  D: (time) => `${LETTERS.m!(time)}/${LETTERS.d!(time)}/${LETTERS.y!(time)}`,
  e: (time) => `${time.getUTCDate()}`.padStart(2),
  F: (time) => time.toISOString().slice(0, 10),
  H: (time) => two(time.getUTCHours()),
  I: (time) => two(time.getUTCHours() % 12 || 12),
  j: (time) => `${dayOfYear(time)}`.padStart(3, '0'),
  m: (time) => two(time.getUTCMonth() + 1),
  M: (time) => two(time.getUTCMinutes()),
  n: () => '\n',
  p: (time) => (time.getUTCHours() < 12 ? 'AM' : 'PM'),
  R: (time) => time.toISOString().slice(11, 16),
  s: (time) => `${Math.floor(time.getTime() / 1000)}`,
  S: (time) => two(time.getUTCSeconds()),
  T: (time) => time.toISOString().slice(11, 19),
  y: (time) => two(time.getUTCFullYear() % 100),
  Y: (time) => `${time.getUTCFullYear()}`,
  z: () => '+0000',
  Z: () => 'UTC',
  '%': () => '%',
};

/** As the clock counts them, milliseconds; further digits are 0. */
const fraction = (time: Date, digits: number): string =>
  `${time.getUTCMilliseconds()}`.padStart(3, '0').padEnd(9, '0').slice(0, digits);

const LETTER = /%(?:([1-9])?f|([a-zA-Z%]))/g;

/** Unknown letters stay as they are. Without a format: RFC 3339 with milliseconds. */
export const prepareStartTime = (format: string | undefined): ((startMs: number) => string) => {
  if (!format) return (startMs) => new Date(startMs).toISOString();
  return (startMs) => {
    const time = new Date(startMs);
    return format.replace(LETTER, (all: string, digits?: string, letter?: string) => {
      if (letter === undefined) return fraction(time, Number(digits ?? 9));
      return LETTERS[letter]?.(time) ?? all;
    });
  };
};
