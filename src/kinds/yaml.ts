// Reads manifests: YAML or JSON text with one or many documents, each with the file and line it came from. Used by cli, app and tests.
import { Composer, type Document, isMap, LineCounter, type Node, Parser } from 'yaml';
import type { Problem } from '../model/problem.ts';
import type { Resource } from '../model/resource.ts';
import type { Kind } from './kind.ts';
import { findKind, unknownKindHint, unknownKindMessage } from './registry.ts';
import { validateResource } from './validate.ts';

export interface Manifest {
  /** With defaults; use it only when no problem of the file is an error. */
  readonly resource: Resource;
  readonly kind: Kind;
  /** As it was written, for clients that send it on (`kubectl.kubernetes.io/last-applied-configuration`). */
  readonly source: Readonly<Record<string, unknown>>;
  readonly file: string;
  readonly line: number;
}

/** A problem with the place in the file. */
export interface ManifestProblem extends Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Manifests {
  readonly resources: readonly Manifest[];
  /** Errors and warnings (unknown fields), in the order of the file. */
  readonly problems: readonly ManifestProblem[];
}

const MAX_TEXT_BYTES = 16 * 1024 * 1024;
const MAX_RESOURCES = 20_000;
// Aliases may multiply a small text into a huge value.
const MAX_ALIASES = 100;

/** Never throws: what can't be read is a problem with its line. */
export const parseManifests = (text: string, { file }: { file: string }): Manifests => {
  const resources: Manifest[] = [];
  const problems: ManifestProblem[] = [];
  const lines = new LineCounter();
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const refuse = (code: Problem['code'], message: string, offset: number, hint?: string) =>
    problems.push({ code, severity: 'error', message, ...place(offset), ...(hint ? { hint } : {}) });
  if (text.length > MAX_TEXT_BYTES) {
    refuse('YAML_TOO_LARGE', `the file is larger than ${MAX_TEXT_BYTES / 1024 / 1024} MiB`, 0, 'split it');
    return { resources, problems };
  }
  // One document after the other: the trees of a large file together take a hundred times its size.
  const tokens = new Parser(lines.addNewLine).parse(text);
  const composer = new Composer({ uniqueKeys: true, prettyErrors: false, logLevel: 'error' });
  for (const document of composer.compose(tokens)) {
    const [error] = document.errors;
    if (error) {
      const duplicate = error.code === 'DUPLICATE_KEY';
      const message = firstLine(error.message);
      if (duplicate)
        refuse(
          'YAML_DUPLICATE_KEY',
          `the same key is there twice: ${keyAt(text, error.pos[0])}`,
          error.pos[0],
          'remove one of them',
        );
      else refuse('YAML_INVALID', `not valid YAML: ${message}`, error.pos[0]);
      continue;
    }
    readDocument(document, { file, place, refuse, resources, problems });
  }
  return { resources, problems };
};

const firstLine = (message: string): string => message.split('\n', 1)[0] ?? message;

const keyAt = (text: string, offset: number): string => /^[^\s:]+/.exec(text.slice(offset, offset + 80))?.[0] ?? '';

interface Reading {
  readonly file: string;
  readonly place: (offset: number) => { file: string; line: number; column: number };
  readonly refuse: (code: string, message: string, offset: number, hint?: string) => unknown;
  readonly resources: Manifest[];
  readonly problems: ManifestProblem[];
}

const readDocument = (document: Document.Parsed, reading: Reading): void => {
  const start = document.contents?.range?.[0] ?? document.range[0];
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    reading.refuse(
      'YAML_INVALID',
      `not valid YAML: ${error instanceof Error ? firstLine(error.message) : error}`,
      start,
    );
    return;
  }
  // An empty document, as behind a last `---`.
  if (value === null || value === undefined) return;
  if (!isRecord(value)) {
    reading.refuse('YAML_INVALID', 'a manifest must be an object with apiVersion and kind', start);
    return;
  }
  if (typeof value.kind === 'string' && value.kind.endsWith('List') && Array.isArray(value.items)) {
    value.items.forEach((item, i) => {
      readResource(item, document, ['items', i], reading);
    });
  } else readResource(value, document, [], reading);
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const readResource = (value: unknown, document: Document.Parsed, base: readonly Step[], reading: Reading): void => {
  const offset = offsetOf(document, base);
  if (reading.resources.length >= MAX_RESOURCES) {
    if (reading.resources.length === MAX_RESOURCES)
      reading.refuse('YAML_TOO_LARGE', `more than ${MAX_RESOURCES} resources`, offset, 'split the file');
    return;
  }
  if (!isRecord(value) || typeof value.apiVersion !== 'string' || typeof value.kind !== 'string') {
    reading.refuse(
      'YAML_INVALID',
      'a manifest needs apiVersion and kind',
      offset,
      'e.g. apiVersion: v1, kind: Service',
    );
    return;
  }
  const kind = findKind(value.apiVersion, value.kind);
  if (!kind) {
    const at = offsetOf(document, [...base, 'kind']);
    reading.refuse(
      'UNKNOWN_KIND',
      unknownKindMessage(value.apiVersion, value.kind),
      at,
      unknownKindHint(value.apiVersion, value.kind),
    );
    return;
  }
  const { resource, problems, warnings } = validateResource(kind, value);
  for (const problem of [...problems, ...warnings]) {
    const at = offsetOf(document, [...base, ...stepsOf(problem.path ?? '')]);
    reading.problems.push({ ...problem, ...reading.place(at) });
  }
  reading.resources.push({ resource, kind, source: value, ...lineOf(reading.place(offset)) });
};

const lineOf = ({ file, line }: { file: string; line: number }) => ({ file, line });

type Step = string | number;

/** `spec.rules[0].name` as steps; `annotations["a.b/c"]` is one step. */
const stepsOf = (path: string): Step[] =>
  [...path.matchAll(/\["([^"]*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(([, quoted, index, name]) =>
    index === undefined ? (quoted ?? name ?? '') : Number(index),
  );

/** Where the value at the path stands in the text, or the nearest thing around it that is there. */
const offsetOf = (document: Document.Parsed, path: readonly Step[]): number => {
  for (let length = path.length; length >= 0; length--) {
    const steps = path.slice(0, length);
    const parent = document.getIn(steps.slice(0, -1), true);
    if (length > 0 && isMap(parent)) {
      // The key tells more than its value: an unknown field is wrong by its name.
      const pair = parent.items.find((item) => String(item.key) === String(steps.at(-1)));
      const range = (pair?.key as Node | undefined)?.range;
      if (range) return range[0];
    }
    const node = length === 0 ? document.contents : document.getIn(steps, true);
    const range = (node as Node | undefined)?.range;
    if (range) return range[0];
  }
  return document.range[0];
};

/** `file:line:column: message` and the hint: how a problem of a manifest is shown. */
export const formatManifestProblem = (problem: ManifestProblem): string => {
  const hint = problem.hint ? ` (${problem.hint})` : '';
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}${hint}`;
};
