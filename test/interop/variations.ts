// Walks an object beside its published schema and makes objects that differ from it in one place: beyond each bound, of another type,
// with and without each field, and with texts that are a little wrong. Used by gateway-api-kinds.test.ts.
import type { Json } from '../fakes/crd-validator.ts';
import type { PublishedSchema } from './published-kinds.ts';

export interface Variation {
  /** Where and what, e.g. `spec.listeners[0].port: 65536`. */
  readonly name: string;
  readonly object: Json;
}

type Step = string | number;

interface Place {
  readonly schema: PublishedSchema;
  readonly steps: readonly Step[];
  readonly value: unknown;
  /** Of the object that has it: whether it must. */
  readonly optional: boolean;
  /** The rules of what it is in, if any. */
  readonly around: string;
  /** The schema without words and without what is inside. */
  readonly form: unknown;
}

const REMOVED = Symbol('removed');

const pathOf = (steps: readonly Step[]): string =>
  steps.map((step, i) => (typeof step === 'number' ? `[${step}]` : i ? `.${step}` : step)).join('');

/** Every place of the value that the schema knows, from the outside in. */
const placesOf = (
  schema: PublishedSchema,
  value: unknown,
  steps: readonly Step[],
  optional = false,
  around = '',
): Place[] => {
  const { properties, items, additionalProperties, ...rest } = schema;
  const form = { ...rest, description: undefined, fields: Object.keys(properties ?? {}) };
  const here: Place = { schema, steps, value, optional, around, form };
  const own = JSON.stringify(schema['x-kubernetes-validations'] ?? '').slice(2);
  if (Array.isArray(value)) {
    return [here, ...(items ? value.flatMap((item, i) => placesOf(items, item, [...steps, i], true, own)) : [])];
  }
  const rules = own || (typeof steps.at(-1) === 'number' ? around : '');
  if (typeof value !== 'object' || value === null) return [here];
  const fields = Object.entries(value).flatMap(([name, field]) => {
    const known = properties?.[name] ?? additionalProperties;
    return known ? placesOf(known, field, [...steps, name], !schema.required?.includes(name), rules) : [];
  });
  return [here, ...fields];
};

/** The same place in any item of its lists. */
const shapeOf = (steps: readonly Step[]): string => pathOf(steps).replaceAll(/\[\d+\]/g, '[]');

/** A copy of the object with another value in one place. */
export const withValue = (object: Json, steps: readonly Step[], value: unknown): Json => {
  const copy = structuredClone(object);
  let at = copy as Record<Step, unknown>;
  for (const step of steps.slice(0, -1)) {
    at[step] ??= {};
    at = at[step] as Record<Step, unknown>;
  }
  const last = steps.at(-1)!;
  if (value !== REMOVED) at[last] = value;
  else if (Array.isArray(at)) at.splice(last as number, 1);
  else delete at[last];
  return copy;
};

const TEXTS =
  ` ,*,*.,*.a,a.*,.a,a.,a..b,A,a_b,-a,a-,a b,a\nb,a\tb,a  b,a ,ä,(,5,10.0.0.1,::1,a.b/c,a/,/,/a,//,/a//b,/./,/a/..,/a/.,/a/../b,/%2f
  /%2F,/%zz,/a#b,/a?b,a/b/c,k8s.io/x,a.k8s.io/x,Cluster,Hostname,IPAddress,NamedAddress,System,a.b/C_d,a!b/X,HTTP,HTTPS,TLS,TCP,UDP
  0s,1ms,1s,2h,61m,1h1m,100000h,1.5s,-1s,http://a,https://*,https://*.a:80,ftp://a,http://a.*,http://a:123456,a://b,urn:a
  Secret,XBackend,ClusterTrustBundle,None,True,2026-01-01,gateway.networking.x-k8s.io,certificates.k8s.io`.split(
    /,|\n {2}/,
  );
const OTHERS: readonly unknown[] = [true, 7, 1.5, 'text', [], {}, null, [{}], [null], ['a', 'a']];

const textsFor = (schema: PublishedSchema, all: boolean, ruled: boolean): unknown[] => {
  const { maxLength, pattern, format, enum: choices = [] } = schema;
  const bound = maxLength ? ['a'.repeat(maxLength), 'a'.repeat(maxLength + 1)] : [];
  if (!all) return ['', 'a b', ...choices, ...bound.slice(1)];
  const odd = maxLength
    ? [`/${'a'.repeat(maxLength - 1)}`, `${'a.'.repeat(maxLength / 2 - 1)}aa`, '\u{1f9f5}'.repeat(maxLength)]
    : [];
  // Where nothing reads the text, one is as good as the other.
  const read = pattern ?? format ?? schema['x-kubernetes-validations'] ?? (ruled && choices.length === 0);
  return ['', ...(read ? TEXTS : ['a b', 'ä']), ...choices, ...bound, ...odd];
};

const numbersFor = ({ minimum = 0, maximum = 0, enum: choices = [] }: PublishedSchema): unknown[] => [
  ...choices,
  ...[minimum, maximum, 2 ** 31, -(2 ** 31)].flatMap((bound) => [bound - 1, bound, bound + 1]),
];

const listsFor = ({ minItems = 0, maxItems = 0 }: PublishedSchema, value: readonly unknown[]): unknown[] => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => value[i % value.length]);
  const bounds = maxItems ? [many(maxItems), many(maxItems + 1)] : [];
  return [[], [...value, value[0]], [...value].reverse(), many(minItems), ...bounds];
};

const mapsFor = ({ properties, maxProperties = 0 }: PublishedSchema, value: Json): unknown[] => {
  if (properties)
    return [
      { ...value, unknown: 1 },
      { ...value, unknown: null },
    ];
  const [first] = Object.values(value);
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, first]));
  const keys = ['', '-a', 'a/b', 'A/b', 'a/b/c', `${'a'.repeat(253)}/b`, 'x'.repeat(64), 'a b'];
  return [many(maxProperties), many(maxProperties + 1), ...keys.map((key) => ({ ...value, [key]: first }))];
};

const valuesFor = ({ schema, value, optional, around }: Place, all: boolean): unknown[] => {
  const others = all ? OTHERS : [typeof value === 'string' ? 7 : 'text'];
  const removed = optional ? [REMOVED, null] : [REMOVED];
  if (Array.isArray(value)) return [...removed, ...listsFor(schema, value), ...others];
  if (typeof value === 'string') return [...removed, ...textsFor(schema, all, around !== ''), ...others];
  if (typeof value === 'number') return [...removed, ...numbersFor(schema), ...others];
  if (typeof value === 'object' && value !== null) return [...removed, ...mapsFor(schema, value as Json), ...others];
  return [...removed, false, ...others];
};

/** The kind, and its version where that is not v1. */
const nameOf = ({ apiVersion, kind }: Json): string => {
  const version = String(apiVersion).split('/').at(-1);
  return version === 'v1' ? String(kind) : `${version} ${kind}`;
};

/** Makes variations of one object after the other; what earlier ones had is varied less. */
export class Variations {
  readonly #shapes = new Set<string>();
  readonly #schemas = new Set<string>();

  of(schema: PublishedSchema, object: Json): Variation[] {
    const { status, ...fresh } = object;
    return [
      ...this.#ofPart(schema, fresh, 'spec'),
      ...(status === undefined ? [] : this.#ofPart(schema, object, 'status')),
    ];
  }

  #ofPart(schema: PublishedSchema, object: Json, part: 'spec' | 'status'): Variation[] {
    const places = placesOf(schema.properties![part]!, object[part], [part]);
    return places.flatMap((place) =>
      this.#values(`${object.apiVersion} ${object.kind}`, place).map((value) => ({
        name: `${nameOf(object)} ${pathOf(place.steps)}: ${value === REMOVED ? 'removed' : JSON.stringify(value)?.slice(0, 80)}`,
        object: withValue(object, place.steps, value),
      })),
    );
  }

  #values(kind: string, place: Place): unknown[] {
    const shape = `${kind} ${shapeOf(place.steps)}`;
    // Rules around a place read what has no form of its own.
    const ruled = place.around && !place.schema.pattern && !place.schema.enum;
    const forms = [JSON.stringify(place.form), ...(ruled ? [`${place.steps.at(-1)} ${place.around}`] : [])];
    // In further items what is there or not matters most: rules go by it.
    const values = this.#shapes.has(shape)
      ? [REMOVED, ...(place.schema.enum ?? [])]
      : valuesFor(place, !forms.every((form) => this.#schemas.has(form)));
    this.#shapes.add(shape);
    for (const form of forms) this.#schemas.add(form);
    return values;
  }
}

/** Every place of the schema, as `spec.listeners[].port`. */
export const shapesOf = (schema: PublishedSchema, path: string): string[] => [
  path,
  ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => shapesOf(field, `${path}.${name}`)),
  ...(schema.items ? shapesOf(schema.items, `${path}[]`) : []),
];
