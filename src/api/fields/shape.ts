// How a value is taken apart into fields that can be managed one by one, as its schema says. Used by walks.ts.
import type { Kind, Schema } from '../../kinds/kind.ts';
import { metadataSchema } from '../../kinds/metadata.ts';
import { isObject } from '../body.ts';

/** `leaf`: managed as a whole. `fields`: field by field. `items`: item by item. */
export type Shape = 'leaf' | 'fields' | 'items';

/** A value without a schema: its objects are taken apart, its lists are not. */
export type MaybeSchema = Schema | undefined;

const roots = new WeakMap<Kind, Schema>();

export const rootSchemaOf = (kind: Kind): Schema => {
  let root = roots.get(kind);
  if (!root) {
    const text: Schema = { type: 'string' };
    const properties = { ...kind.schema.properties, apiVersion: text, kind: text, metadata: metadataSchema };
    root = { ...kind.schema, type: 'object', properties };
    roots.set(kind, root);
  }
  return root;
};

/** By the schema, or by the value where there is none. */
export const shapeOf = (schema: MaybeSchema, value: unknown): Shape => {
  const isList = schema?.type === 'array' || (!schema?.type && Array.isArray(value));
  if (isList) {
    const type = schema?.['x-kubernetes-list-type'];
    return type === 'map' || type === 'set' ? 'items' : 'leaf';
  }
  if (schema?.type === undefined ? !isObject(value) : schema.type !== 'object') return 'leaf';
  return schema?.['x-kubernetes-map-type'] === 'atomic' ? 'leaf' : 'fields';
};

/** True for a field with a name of its own in the schema, false for an entry of a map. */
export const isNamed = (schema: MaybeSchema, name: string): boolean =>
  schema?.properties !== undefined && Object.hasOwn(schema.properties, name);

/** False for a field that the schema does not know, which is not kept. */
export const isKnown = (schema: MaybeSchema, name: string): boolean =>
  isNamed(schema, name) ||
  !schema ||
  schema.additionalProperties !== undefined ||
  schema['x-kubernetes-preserve-unknown-fields'] === true;

export const fieldSchema = (schema: MaybeSchema, name: string): MaybeSchema =>
  isNamed(schema, name) ? schema!.properties![name] : schema?.additionalProperties;

/** The path element of an item, by its keys (with their defaults) or its value. */
export const itemElement = (schema: MaybeSchema, item: unknown): string => {
  const keys = schema?.['x-kubernetes-list-map-keys'];
  if (!keys) return `v:${JSON.stringify(item)}`;
  const found: Record<string, unknown> = {};
  for (const key of [...keys].sort()) {
    const value = (isObject(item) ? item[key] : undefined) ?? schema?.items?.properties?.[key]?.default;
    if (value !== undefined) found[key] = value;
  }
  return `k:${JSON.stringify(found)}`;
};

export const fieldElement = (name: string): string => `f:${name}`;
