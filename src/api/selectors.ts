// Label and field selectors, as `kubectl get -l` and `--field-selector` send them.
import type { Resource } from '../model/resource.ts';
import { badRequest } from './status.ts';

export type Matcher = (resource: Resource) => boolean;

type Labels = Readonly<Record<string, string>>;
type Requirement = (labels: Labels) => boolean;

const KEY = '[A-Za-z0-9][-A-Za-z0-9_./]*';
const SET = new RegExp(String.raw`^(${KEY})\s+(in|notin)\s*\(([^()]*)\)$`);
const COMPARE = new RegExp(String.raw`^(${KEY})\s*(==|=|!=|>|<)\s*([-A-Za-z0-9_.]*)$`);
const EXISTS = new RegExp(String.raw`^(!?)\s*(${KEY})$`);

const labelOf = (labels: Labels, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

const parseRequirement = (text: string): Requirement => {
  const set = SET.exec(text);
  if (set) {
    const [, key, operator, list] = set as unknown as [string, string, string, string];
    const values = new Set(list.split(',').map((value) => value.trim()));
    if (operator === 'in') return (labels) => values.has(labelOf(labels, key) ?? '\0');
    return (labels) => !values.has(labelOf(labels, key) ?? '\0');
  }
  const compare = COMPARE.exec(text);
  if (compare) {
    const [, key, operator, value] = compare as unknown as [string, string, string, string];
    if (operator === '!=') return (labels) => labelOf(labels, key) !== value;
    if (operator === '>') return (labels) => Number(labelOf(labels, key)) > Number(value);
    if (operator === '<') return (labels) => Number(labelOf(labels, key)) < Number(value);
    return (labels) => labelOf(labels, key) === value;
  }
  const exists = EXISTS.exec(text);
  if (!exists) throw badRequest(`unable to parse requirement "${text}" of the label selector`);
  const [, not, key] = exists as unknown as [string, string, string];
  return (labels) => (labelOf(labels, key) === undefined) === (not === '!');
};

/** Cuts at commas that are not inside parentheses. */
const splitRequirements = (text: string): string[] =>
  text
    .split(/,(?![^()]*\))/)
    .map((part) => part.trim())
    .filter(Boolean);

/** Undefined when the selector is empty and so takes all. */
export const parseLabelSelector = (text: string): Matcher | undefined => {
  const requirements = splitRequirements(text).map(parseRequirement);
  if (requirements.length === 0) return undefined;
  return (resource) => requirements.every((requirement) => requirement(resource.metadata.labels ?? {}));
};

const FIELDS: Readonly<Record<string, (resource: Resource) => string>> = {
  'metadata.name': (resource) => resource.metadata.name,
  'metadata.namespace': (resource) => resource.metadata.namespace ?? '',
  type: (resource) => String((resource as { type?: unknown }).type ?? ''),
};

export interface FieldSelector {
  readonly matches: Matcher;
  /** Set when the selector asks for exactly this name. */
  readonly name?: string;
}

/** `supported`: what may be asked besides name and namespace. */
export const parseFieldSelector = (text: string, supported: readonly string[] = []): FieldSelector | undefined => {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  if (parts.length === 0) return undefined;
  const tests: Matcher[] = [];
  let name: string | undefined;
  for (const part of parts) {
    const match = /^([A-Za-z0-9.]+)(==|=|!=)(.*)$/.exec(part);
    if (!match) throw badRequest(`invalid field selector "${part}"`);
    const [, field, operator, value] = match as unknown as [string, string, string, string];
    const read = FIELDS[field];
    if (!read || (field === 'type' && !supported.includes('type'))) {
      throw badRequest(`field label not supported: ${field}; supported are metadata.name and metadata.namespace`);
    }
    if (operator !== '!=' && field === 'metadata.name') name = value;
    tests.push((resource) => (read(resource) === value) === (operator !== '!='));
  }
  const matches: Matcher = (resource) => tests.every((test) => test(resource));
  return name === undefined ? { matches } : { matches, name };
};
