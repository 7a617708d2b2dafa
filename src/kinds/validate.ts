// Makes a resource of what came from outside: defaults, schema, unknown fields, then the kind's own checks. Called by api, cli, yaml and compile.
import { nearestName } from '../lib/names.ts';
import type { FieldFault, Problem } from '../model/problem.ts';
import type { Resource } from '../model/resource.ts';
import type { Kind, Refuse, Rule, Schema } from './kind.ts';
import { checkMetadata, metadataSchema } from './metadata.ts';
import { resourceRef } from './problems.ts';
import { checkScalar, type Invalid } from './scalar.ts';

export interface Validated {
  /** With defaults, without null and unknown fields. Use it only when there are no problems. */
  readonly resource: Resource;
  /** Errors: the resource can't be taken. */
  readonly problems: Problem[];
  /** Unknown fields, each with the nearest known name; they are left out of `resource`. */
  readonly warnings: Problem[];
}

interface Finding {
  readonly code: 'INVALID_FIELD' | 'REQUIRED_FIELD' | 'UNKNOWN_FIELD';
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
  readonly fault?: FieldFault;
}

/** What is found on the way. */
class Report {
  readonly findings: Finding[] = [];
  /** Of the schema; rules need a value without them. */
  errors = 0;

  add(finding: Finding): void {
    this.findings.push(finding);
    if (finding.code !== 'UNKNOWN_FIELD') this.errors++;
  }

  /** A rule sees values of the right form, whatever other rules find. */
  addOfRule(finding: Finding): void {
    this.findings.push(finding);
  }
}

// Deep enough for any published kind; a bound, because the value comes from outside.
const MAX_DEPTH = 64;

/** Checks `value`, new or as `stored`, against the schema of the kind; never throws, whatever `value` is. */
export const validateResource = (kind: Kind, value: unknown, from: 'new' | 'stored' = 'new'): Validated => {
  const report = new Report();
  const walked = isObject(value) ? walk(rootSchema(kind, value, from), value, '', 0, report) : undefined;
  if (!walked) report.add({ code: 'INVALID_FIELD', path: '', message: 'a resource must be an object' });
  let resource = shaped(walked as Partial<Resource> | undefined, kind);
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const about = resourceRef(resource);
  for (const { code, path, message, hint, fault } of report.findings) {
    const severity = code === 'UNKNOWN_FIELD' ? 'warning' : 'error';
    const target = code === 'UNKNOWN_FIELD' ? warnings : problems;
    target.push({ code, severity, message, resource: about, path, ...(fault && { fault }), ...(hint && { hint }) });
  }
  problems.push(...checkMetadata(kind, resource));
  if (problems.length === 0) {
    if (kind.normalize) resource = kind.normalize(resource);
    if (kind.validate) problems.push(...kind.validate(resource));
  }
  return { resource, problems, warnings };
};

const roots = new WeakMap<Schema, Schema>();

/** The schema of the kind as one version has it. */
export const schemaOf = ({ schema, wider }: Kind, version: string): Schema =>
  wider?.version === version ? wider.schema : schema;

const rootSchema = (kind: Kind, { apiVersion }: Readonly<Record<string, unknown>>, from: 'new' | 'stored'): Schema => {
  const version = String(apiVersion).split('/').at(-1)!;
  const schema = schemaOf(kind, from === 'stored' ? (kind.wider?.version ?? version) : version);
  let root = roots.get(schema);
  if (!root) {
    root = {
      ...schema,
      type: 'object',
      properties: {
        apiVersion: { type: 'string' },
        kind: { type: 'string' },
        metadata: metadataSchema,
        ...schema.properties,
      },
    };
    roots.set(schema, root);
  }
  return root;
};

/** What later checks may rely on: strings and objects where the model says so. */
const shaped = (walked: Partial<Resource> | undefined, kind: Kind): Resource => {
  const metadata: Partial<Resource['metadata']> = isObject(walked?.metadata) ? walked.metadata : {};
  return {
    ...walked,
    apiVersion: String(walked?.apiVersion ?? (kind.group ? `${kind.group}/${kind.version}` : kind.version)),
    kind: kind.kind,
    metadata: { ...metadata, name: String(metadata.name ?? '') },
  };
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const typeName = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'an object'
        : `a ${typeof value}`;

const WANTED: Record<NonNullable<Schema['type']>, string> = {
  object: 'an object',
  array: 'a list',
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
};

const hasType = (type: NonNullable<Schema['type']>, value: unknown): boolean => {
  if (type === 'object') return isObject(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isSafeInteger(value);
  return typeof value === type;
};

/** The value with defaults and without unknown fields; undefined where its type is wrong. */
const walk = (schema: Schema, value: unknown, path: string, depth: number, report: Report): unknown => {
  const invalid: Invalid = (message, fault, hint) =>
    report.add({
      code: 'INVALID_FIELD',
      path,
      message: path ? `${path}: ${message}` : message,
      ...(fault && { fault }),
      ...(hint && { hint }),
    });
  if (depth > MAX_DEPTH) return invalid('is nested too deep');
  if (schema['x-kubernetes-int-or-string']) {
    if (typeof value !== 'string' && !Number.isSafeInteger(value))
      return invalid('must be a whole number or a string', 'TypeInvalid');
    return value;
  }
  if (schema.type && !hasType(schema.type, value)) {
    const hint =
      schema.type === 'string' && typeof value !== 'object' ? `put it in quotes: "${String(value)}"` : undefined;
    return invalid(`must be ${WANTED[schema.type]}, not ${typeName(value)}`, 'TypeInvalid', hint);
  }
  const before = report.errors;
  let result = value;
  if (Array.isArray(value)) result = walkList(schema, value, path, depth, report, invalid);
  else if (isObject(value)) result = walkObject(schema, value, path, depth, report, invalid);
  else checkScalar(schema, value, invalid);
  if (schema.rules && report.errors === before) applyRules(schema.rules, result, path, report);
  return result;
};

const applyRules = (rules: readonly Rule[], value: unknown, path: string, report: Report): void => {
  const refuse: Refuse = (below, message, hint) => {
    const at = `${path}${below}`;
    report.addOfRule({ code: 'INVALID_FIELD', path: at, message: `${at}: ${message}`, ...(hint ? { hint } : {}) });
  };
  for (const rule of rules) rule(value as never, refuse);
};

const walkList = (
  schema: Schema,
  value: readonly unknown[],
  path: string,
  depth: number,
  report: Report,
  invalid: Invalid,
): unknown[] => {
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    invalid(`needs at least ${schema.minItems} ${schema.minItems === 1 ? 'item' : 'items'}`);
  }
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    // Its items are left alone: a hostile list must not cost more than its length.
    invalid(`has ${value.length} items, at most ${schema.maxItems} are allowed`, 'TooMany');
    return [];
  }
  const items = value.map((entry, i) =>
    schema.items ? walk(schema.items, entry, `${path}[${i}]`, depth + 1, report) : entry,
  );
  checkKeys(schema, items, path, report);
  // `filter` leaves room for more in each list, and a large configuration has very many.
  return items.includes(undefined) ? items.filter((entry) => entry !== undefined) : items;
};

const checkKeys = (schema: Schema, items: readonly unknown[], path: string, report: Report): void => {
  const keys = schema['x-kubernetes-list-map-keys'];
  if (!keys && schema['x-kubernetes-list-type'] !== 'set') return;
  // One repetition is told of each item, as Kubernetes does.
  const seen = new Map<string, number>();
  items.forEach((entry, i) => {
    if (entry === undefined) return;
    const key = JSON.stringify(keys ? keys.map((name) => (entry as Record<string, unknown>)[name] ?? null) : entry);
    const times = seen.get(key) ?? 0;
    if (times === 1) {
      const what = keys ? `the same ${keys.join(' and ')} as an earlier item` : 'the same value as an earlier item';
      const at = `${path}[${i}]`;
      report.add({ code: 'INVALID_FIELD', fault: 'Duplicate', path: at, message: `${at}: has ${what}` });
    }
    seen.set(key, times + 1);
  });
};

const walkObject = (
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  path: string,
  depth: number,
  report: Report,
  invalid: Invalid,
): Record<string, unknown> => {
  const at = (name: string) => (path ? `${path}.${name}` : name);
  const { properties = {}, additionalProperties } = schema;
  const result: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    if (field === undefined || name === '__proto__') continue;
    const known = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    if (known) {
      // As in Kubernetes, null is the same as not given.
      if (field === null) continue;
      const kept = walk(known, field, at(name), depth + 1, report);
      if (kept !== undefined) result[name] = kept;
    } else if (schema['x-kubernetes-preserve-unknown-fields']) {
      result[name] = field;
    } else {
      const near = nearestName(name, Object.keys(properties));
      const message = `unknown field "${at(name)}"`;
      report.add({
        code: 'UNKNOWN_FIELD',
        path: at(name),
        message,
        ...(near ? { hint: `did you mean "${near}"?` } : {}),
      });
    }
  }
  for (const [name, property] of Object.entries(properties)) {
    if (
      property.default === undefined ||
      (Object.hasOwn(value, name) && value[name] !== null && value[name] !== undefined)
    )
      continue;
    result[name] = walk(property, structuredClone(property.default), at(name), depth + 1, report);
  }
  for (const name of schema.required ?? []) {
    if (value[name] === undefined || value[name] === null) {
      if (result[name] !== undefined) continue;
      report.add({ code: 'REQUIRED_FIELD', path: at(name), message: `${at(name)}: is required` });
    }
  }
  if (schema.maxProperties !== undefined && Object.keys(value).length > schema.maxProperties) {
    invalid(`has more than ${schema.maxProperties} entries`, 'TooMany');
  }
  return result;
};
