// Checks texts, numbers and flags against the words of their schema. Used by validate.ts.
import { nearestName } from '../lib/names.ts';
import type { FieldFault } from '../model/problem.ts';
import type { Schema } from './kind.ts';
import { patterns } from './schema.ts';

/** Reports what is wrong with a value. */
export type Invalid = (message: string, fault?: FieldFault, hint?: string) => void;

const compiledPatterns = new Map<string, RegExp>();

const matchesPattern = (pattern: string, value: string): boolean => {
  let compiled = compiledPatterns.get(pattern);
  if (!compiled) {
    compiled = new RegExp(pattern);
    compiledPatterns.set(pattern, compiled);
  }
  return compiled.test(value);
};

/** In code points, as Kubernetes counts; a text that is far too long is not looked through. */
const lengthOf = (value: string, limit: number): number =>
  value.length <= limit || value.length > 2 * limit ? value.length : [...value].length;

const MAX_QUOTED = 200;

const quoted = (value: unknown): string => {
  const text = JSON.stringify(value);
  return text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
};

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

export const checkScalar = (schema: Schema, value: unknown, invalid: Invalid): void => {
  if (schema.enum && !schema.enum.includes(value as string)) {
    const near = typeof value === 'string' ? nearestName(value, schema.enum.map(String)) : undefined;
    invalid(
      `${quoted(value)} is not one of ${schema.enum.map((allowed) => JSON.stringify(allowed)).join(', ')}`,
      'NotSupported',
      near ? `did you mean "${near}"?` : undefined,
    );
    return;
  }
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum) invalid(`${value} is less than ${schema.minimum}`);
    if (schema.maximum !== undefined && value > schema.maximum) invalid(`${value} is more than ${schema.maximum}`);
    else if (schema.format === 'int32' && value !== (value | 0)) invalid(`${value} does not fit in 32 bits`);
  }
  if (typeof value !== 'string') return;
  if (schema.minLength && value.length < schema.minLength) {
    invalid('must not be empty');
    return;
  }
  const length = schema.maxLength === undefined ? 0 : lengthOf(value, schema.maxLength);
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    invalid(`is ${length} characters long, at most ${schema.maxLength} are allowed`, 'TooLong');
    return;
  }
  if (schema.pattern && !matchesPattern(schema.pattern, value)) {
    invalid(
      schema.pattern === patterns.duration
        ? `${quoted(value)} is not a span of time, as 300ms, 30s or 1h30m`
        : `${quoted(value)} does not have the form ${schema.pattern}`,
    );
  }
  if (schema.format === 'date-time' && !(TIME.test(value) && !Number.isNaN(Date.parse(value))))
    invalid(`${quoted(value)} is not a time as RFC 3339 writes it, e.g. 2026-01-31T12:00:00Z`, 'TypeInvalid');
  if (schema.format === 'byte' && !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value)) invalid('is not base64');
};
