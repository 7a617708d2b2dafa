// JSON merge patch (RFC 7386), JSON patch (RFC 6902) and strategic merge patch. Pure; nothing it is given is changed.
import { isDeepStrictEqual } from 'node:util';
import type { Kind, Schema } from '../kinds/kind.ts';
import { metadataSchema } from '../kinds/metadata.ts';
import { isObject } from './body.ts';
import { ApiError, badRequest } from './status.ts';

type Json = Record<string, unknown>;

// A key that would change the prototype of what it is assigned to.
const isUnsafe = (key: string): boolean => key === '__proto__';

export const mergePatch = (target: unknown, patch: unknown): unknown => {
  if (!isObject(patch)) return patch;
  const result: Json = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (isUnsafe(key)) continue;
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
};

const MAX_OPERATIONS = 10_000;

const failed = (message: string): ApiError => new ApiError(422, 'Invalid', `the patch can not be applied: ${message}`);

const pointerOf = (value: unknown): string[] => {
  if (typeof value !== 'string' || (value !== '' && !value.startsWith('/'))) {
    throw badRequest(`"${String(value)}" is not a path of a JSON patch; it must begin with "/"`);
  }
  const steps = value
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (steps.some(isUnsafe)) throw badRequest(`the path ${value} is not allowed`);
  return steps;
};

const indexOf = (step: string, max: number, path: string): number => {
  if (!/^(0|[1-9]\d{0,8})$/.test(step) || Number(step) > max) throw failed(`${path}: there is no item ${step}`);
  return Number(step);
};

const child = (container: unknown, step: string, path: string): unknown => {
  if (Array.isArray(container)) return container[indexOf(step, container.length - 1, path)];
  if (isObject(container) && Object.hasOwn(container, step)) return container[step];
  throw failed(`${path} does not exist`);
};

const read = (document: unknown, path: string): unknown => {
  let value = document;
  for (const step of pointerOf(path)) value = child(value, step, path);
  return value;
};

/** The document with the container at the end of the path replaced by what `change` makes of it. */
const alter = (
  document: unknown,
  steps: readonly string[],
  path: string,
  change: (container: unknown, step: string) => unknown,
): unknown => {
  const [step, ...rest] = steps as [string, ...string[]];
  if (rest.length === 0) return change(document, step);
  const altered = alter(child(document, step, path), rest, path, change);
  if (Array.isArray(document)) return document.with(Number(step), altered);
  return { ...(document as Json), [step]: altered };
};

const add = (document: unknown, path: string, value: unknown): unknown => {
  const steps = pointerOf(path);
  if (steps.length === 0) return value;
  return alter(document, steps, path, (container, step) => {
    if (Array.isArray(container)) {
      const index = step === '-' ? container.length : indexOf(step, container.length, path);
      return container.toSpliced(index, 0, value);
    }
    if (!isObject(container)) throw failed(`${path}: its parent is not an object or a list`);
    return { ...container, [step]: value };
  });
};

const remove = (document: unknown, path: string): unknown => {
  const steps = pointerOf(path);
  if (steps.length === 0) throw failed('the whole object can not be removed');
  return alter(document, steps, path, (container, step) => {
    child(container, step, path);
    if (Array.isArray(container)) return container.toSpliced(Number(step), 1);
    const { [step]: _, ...rest } = container as Json;
    return rest;
  });
};

const applyOperation = (document: unknown, operation: unknown): unknown => {
  if (!isObject(operation)) throw badRequest('an operation of a JSON patch must be an object');
  const { op, value } = operation;
  const [path, from] = [operation.path as string, operation.from as string];
  if ((op === 'add' || op === 'replace' || op === 'test') && !Object.hasOwn(operation, 'value')) {
    throw badRequest(`the operation ${op} ${path} has no value`);
  }
  if (op === 'add') return add(document, path, value);
  if (op === 'remove') return remove(document, path);
  if (op === 'replace') {
    read(document, path);
    return path === '' ? value : add(remove(document, path), path, value);
  }
  if (op === 'copy') return add(document, path, read(document, from));
  if (op === 'move') {
    if (path.startsWith(`${from}/`)) throw failed(`${from} can not be moved into itself`);
    return add(remove(document, from), path, read(document, from));
  }
  if (op === 'test') {
    if (!isDeepStrictEqual(read(document, path), value)) throw failed(`the test of ${path} found another value`);
    return document;
  }
  throw badRequest(`"${String(op)}" is not an operation of a JSON patch`);
};

export const jsonPatch = (target: unknown, patch: unknown): unknown => {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch must be a list of operations');
  if (patch.length > MAX_OPERATIONS) throw badRequest(`a JSON patch may have at most ${MAX_OPERATIONS} operations`);
  let size = patch.length;
  return patch.reduce((document, operation) => {
    // Repeated copying of a part into itself would grow without bound.
    size += isObject(operation) && operation.op === 'copy' ? JSON.stringify(document).length : 0;
    if (size > 64 * 1024 * 1024) throw badRequest('the JSON patch copies too much');
    return applyOperation(document, operation);
  }, target);
};

const childSchema = (schema: Schema | undefined, key: string): Schema | undefined =>
  schema?.properties?.[key] ?? schema?.additionalProperties;

const SET_ORDER = '$setElementOrder/';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';

/** Merges by the schema: lists with map keys item by item, sets as sets, all others as a whole. */
export const strategicMergePatch = (kind: Kind, target: unknown, patch: unknown): unknown => {
  const schema: Schema = { ...kind.schema, properties: { ...kind.schema.properties, metadata: metadataSchema } };
  if (!isObject(patch)) throw badRequest('a strategic merge patch must be an object');
  return mergeObject(schema, target, patch);
};

const mergeObject = (schema: Schema | undefined, target: unknown, patch: Json): unknown => {
  const directive = patch.$patch;
  if (directive === 'delete') return undefined;
  const base: Json = isObject(target) && directive !== 'replace' ? target : {};
  const result: Json = { ...base };
  if (Array.isArray(patch.$retainKeys)) {
    for (const key of Object.keys(result)) if (!patch.$retainKeys.includes(key)) delete result[key];
  }
  for (const [key, value] of Object.entries(patch)) {
    if (isUnsafe(key) || key === '$patch' || key === '$retainKeys' || key.startsWith(SET_ORDER)) continue;
    if (key.startsWith(DELETE_PRIMITIVES)) {
      const field = key.slice(DELETE_PRIMITIVES.length);
      const gone: unknown[] = Array.isArray(value) ? value : [];
      if (Array.isArray(result[field])) result[field] = result[field].filter((item) => !gone.includes(item));
      continue;
    }
    const merged = value === null ? undefined : mergeField(childSchema(schema, key), result[key], value);
    if (merged === undefined) delete result[key];
    else result[key] = merged;
  }
  for (const [key, order] of Object.entries(patch)) {
    const field = key.startsWith(SET_ORDER) ? key.slice(SET_ORDER.length) : undefined;
    if (field === undefined || !Array.isArray(order) || !Array.isArray(result[field])) continue;
    result[field] = inOrder(childSchema(schema, field), result[field], order);
  }
  return result;
};

const mergeField = (schema: Schema | undefined, target: unknown, patch: unknown): unknown => {
  if (isObject(patch)) return mergeObject(schema, target, patch);
  if (!Array.isArray(patch)) return patch;
  if (patch.some((item) => isObject(item) && item.$patch === 'replace')) {
    return patch.filter((item) => !(isObject(item) && item.$patch === 'replace'));
  }
  const present: unknown[] = Array.isArray(target) ? target : [];
  if (schema?.['x-kubernetes-list-type'] === 'set') return [...new Set([...present, ...patch])];
  const key = mergeKeyOf(schema);
  return key === undefined ? patch : mergeList(schema!.items, key, present, patch);
};

/** Strategic merge knows one key for a list; the first one, as in Kubernetes' own types. */
export const mergeKeyOf = (schema: Schema | undefined): string | undefined =>
  schema?.['x-kubernetes-list-type'] === 'map' ? schema['x-kubernetes-list-map-keys']?.[0] : undefined;

const mergeList = (items: Schema | undefined, key: string, present: readonly unknown[], patch: readonly unknown[]) => {
  let result = [...present];
  for (const entry of patch) {
    if (!isObject(entry) || entry[key] === undefined) {
      throw badRequest(`an item of the patch lacks its merge key "${key}"`);
    }
    const isSame = (item: unknown) => isObject(item) && item[key] === entry[key];
    if (entry.$patch === 'delete') result = result.filter((item) => !isSame(item));
    else if (result.some(isSame))
      result = result.map((item) => (isSame(item) ? mergeObject(items, item, entry) : item));
    else result.push(mergeObject(items, {}, entry));
  }
  return result;
};

const inOrder = (schema: Schema | undefined, list: readonly unknown[], order: readonly unknown[]): unknown[] => {
  const key = mergeKeyOf(schema);
  const idOf = (item: unknown) => (key !== undefined && isObject(item) ? item[key] : item);
  const ranks = new Map(order.map((item, i) => [idOf(item), i]));
  const known = list.filter((item) => ranks.has(idOf(item)));
  known.sort((a, b) => ranks.get(idOf(a))! - ranks.get(idOf(b))!);
  return [...known, ...list.filter((item) => !ranks.has(idOf(item)))];
};
