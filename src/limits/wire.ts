// The messages of envoy.service.ratelimit.v3, as far as they are used, by hand: a proxy must not load Envoy's types for
// them. Used by service.ts and client.ts.

import { WeftError } from '../lib/errors.ts';
import {
  bytesField,
  bytesOf,
  numberField,
  numberOf,
  optionalField,
  readFields,
  textOf,
  type WireField,
} from '../lib/protobuf.ts';
import {
  COST_KEY,
  LIMIT_KEY,
  type RateLimitAnswer,
  type RateLimitQuestion,
  type RateLimitUnit,
} from '../model/rate-limit.ts';

export const RATE_LIMIT_PATH = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit';
export const DOMAIN = 'weft';

const UNITS: readonly (RateLimitUnit | undefined)[] = [undefined, 'second', 'minute', 'hour', 'day', 'month', 'year'];
const OK = 1;
const OVER_LIMIT = 2;

const MAX_QUESTIONS = 256;
const MAX_ENTRIES = 64;
const MAX_TEXT = 8192;

const refused = (why: string): WeftError => new WeftError('PROTOBUF_MALFORMED', `the question is not valid: ${why}`);

const fieldsOf = (bytes: Buffer, number: number): WireField[] =>
  readFields(bytes).filter((field) => field.number === number);

const textIn = (fields: readonly WireField[], number: number): string => {
  const field = fields.find((one) => one.number === number);
  const text = field ? textOf(field) : '';
  if (text.length > MAX_TEXT) throw refused(`a text is longer than ${MAX_TEXT} characters`);
  return text;
};

const numberIn = (bytes: Buffer, number: number): number | undefined => {
  const [field] = fieldsOf(bytes, number);
  return field && numberOf(field);
};

const decodeEntries = (descriptor: Buffer): string[] => {
  const entries = fieldsOf(descriptor, 1);
  if (entries.length > MAX_ENTRIES) throw refused(`a descriptor has more than ${MAX_ENTRIES} entries`);
  return entries.flatMap((entry) => {
    const fields = readFields(bytesOf(entry));
    return [textIn(fields, 1), textIn(fields, 2)];
  });
};

/** What a client of another make says by fields of their own stands for the entries that Weft's proxies say it with. */
const saidByFields = (descriptor: Buffer, common: number | undefined): string[] => {
  const [override] = fieldsOf(descriptor, 2);
  const [hits] = fieldsOf(descriptor, 3);
  const unit = override && UNITS[numberIn(bytesOf(override), 2) ?? 0];
  const cost = hits ? (numberIn(bytesOf(hits), 1) ?? 0) : common || 1;
  return [
    ...(unit ? [LIMIT_KEY, `${numberIn(bytesOf(override), 1) ?? 0}/${unit}`] : []),
    ...(cost === 1 ? [] : [COST_KEY, `${cost}`]),
  ];
};

/** Throws PROTOBUF_MALFORMED. */
export const decodeQuestions = (bytes: Buffer): RateLimitQuestion[] => {
  const common = numberIn(bytes, 3);
  const domain = textIn(readFields(bytes), 1);
  const descriptors = fieldsOf(bytes, 2);
  if (descriptors.length > MAX_QUESTIONS) throw refused(`it has more than ${MAX_QUESTIONS} descriptors`);
  return descriptors.map((field) => {
    const descriptor = bytesOf(field);
    const own = domain === DOMAIN ? [] : ['domain', domain];
    return [...saidByFields(descriptor, common), ...decodeEntries(descriptor), ...own];
  });
};

export const encodeQuestions = (questions: readonly RateLimitQuestion[]): Buffer =>
  Buffer.concat([
    bytesField(1, DOMAIN),
    ...questions.map((entries) => {
      const parts: Buffer[] = [];
      for (let i = 0; i < entries.length; i += 2) {
        parts.push(bytesField(1, Buffer.concat([bytesField(1, entries[i]!), optionalField(2, entries[i + 1]!)])));
      }
      return bytesField(2, Buffer.concat(parts));
    }),
  ]);

const encodeStatus = (answer: RateLimitAnswer | undefined): Buffer => {
  if (!answer) return numberField(1, OK);
  const { isOver, requests, unit, remaining, resetSeconds } = answer;
  return Buffer.concat([
    numberField(1, isOver ? OVER_LIMIT : OK),
    bytesField(2, Buffer.concat([numberField(1, requests), numberField(2, UNITS.indexOf(unit))])),
    numberField(3, remaining),
    bytesField(4, numberField(1, resetSeconds)),
  ]);
};

export const encodeAnswers = (answers: readonly (RateLimitAnswer | undefined)[]): Buffer => {
  const over = answers.filter((answer) => answer?.isOver);
  const wait = Math.max(...over.map((answer) => answer!.resetSeconds));
  const retryAfter = Buffer.concat([bytesField(1, 'retry-after'), bytesField(2, String(wait))]);
  return Buffer.concat([
    numberField(1, over.length > 0 ? OVER_LIMIT : OK),
    ...answers.map((answer) => bytesField(2, encodeStatus(answer))),
    ...(over.length > 0 ? [bytesField(3, retryAfter)] : []),
  ]);
};

/** Throws PROTOBUF_MALFORMED. */
export const decodeAnswers = (bytes: Buffer): (RateLimitAnswer | undefined)[] =>
  fieldsOf(bytes, 2).map((field) => {
    const status = bytesOf(field);
    const [limit] = fieldsOf(status, 2);
    const unit = limit && UNITS[numberIn(bytesOf(limit), 2) ?? 0];
    if (!limit || !unit) return undefined;
    const [reset] = fieldsOf(status, 4);
    return {
      isOver: numberIn(status, 1) === OVER_LIMIT,
      requests: numberIn(bytesOf(limit), 1) ?? 0,
      unit,
      remaining: numberIn(status, 3) ?? 0,
      resetSeconds: reset ? (numberIn(bytesOf(reset), 1) ?? 0) : 0,
    };
  });
