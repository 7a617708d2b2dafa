// `weft explain`: the fields of a kind, out of its schema. Needs no network.
import type { Command } from 'commander';
import type { Kind, Schema } from '../kinds/kind.ts';
import { metadataSchema } from '../kinds/metadata.ts';
import { WeftError } from '../lib/errors.ts';
import { nearestName } from '../lib/names.ts';
import { newCommand } from './command.ts';
import { requireKind } from './kind-names.ts';
import type { Terminal } from './terminal.ts';
import { wrapText } from './wrap.ts';

/** The schema of the whole resource: what every kind has, and the kind's own fields. */
const wholeSchema = (kind: Kind): Schema => ({
  ...kind.schema,
  type: 'object',
  properties: {
    apiVersion: { type: 'string', description: `${[kind.group, kind.version].filter(Boolean).join('/')}.` },
    kind: { type: 'string', description: `${kind.kind}.` },
    metadata: metadataSchema,
    ...kind.schema.properties,
  },
});

/** `string`, `[]Object`, `map[string]string`, `integer or string`. */
export const typeName = (schema: Schema): string => {
  if (schema['x-kubernetes-int-or-string']) return 'integer or string';
  if (schema.type === 'array') return `[]${schema.items ? typeName(schema.items) : 'any'}`;
  if (schema.properties) return 'Object';
  if (schema.additionalProperties) return `map[string]${typeName(schema.additionalProperties)}`;
  if (schema.type === 'object') return 'Object';
  return schema.type ?? 'any';
};

/** The object whose fields a schema has: itself, or what its list or map holds. */
const inner = (schema: Schema): Schema => {
  if (schema.items) return inner(schema.items);
  return !schema.properties && schema.additionalProperties ? inner(schema.additionalProperties) : schema;
};

const findField = (root: Schema, path: readonly string[], kindName: string): Schema => {
  let current = root;
  for (const [i, name] of path.entries()) {
    const fields = inner(current).properties ?? {};
    const next = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!next) {
      const parent = [kindName, ...path.slice(0, i)].join('.');
      const nearest = nearestName(name, Object.keys(fields));
      throw new WeftError('UNKNOWN_FIELD', `${parent} has no field "${name}"`, {
        hint: nearest ? `weft explain ${parent}.${nearest}` : `weft explain ${parent}`,
      });
    }
    current = next;
  }
  return current;
};

/** What a value must be besides its type: `one of A, B`, `1 to 65535`, `default Prefix`. */
export const limitsOf = (schema: Schema): string[] => {
  const limits: string[] = [];
  const range = (low: number | undefined, high: number | undefined, unit: string) => {
    if (low !== undefined && high !== undefined) limits.push(`${low} to ${high}${unit}`);
    else if (low !== undefined && low !== 0) limits.push(`at least ${low}${unit}`);
    else if (high !== undefined) limits.push(`at most ${high}${unit}`);
  };
  if (schema.enum) limits.push(`one of ${schema.enum.join(', ')}`);
  range(schema.minimum, schema.maximum, '');
  range(schema.minLength, schema.maxLength, ' characters');
  range(schema.minItems, schema.maxItems, ' items');
  if (schema.maxProperties !== undefined) limits.push(`at most ${schema.maxProperties} entries`);
  if (schema.format) limits.push(schema.format);
  if (schema.default !== undefined) limits.push(`default ${JSON.stringify(schema.default)}`);
  return limits;
};

const fieldsOf = (schema: Schema): [string, Schema, boolean][] => {
  const { properties = {}, required = [] } = inner(schema);
  return Object.entries(properties).map(([name, field]) => [name, field, required.includes(name)]);
};

const describeFields = (schema: Schema, columns: number): string[] => {
  const lines: string[] = [];
  for (const [name, field, isRequired] of fieldsOf(schema)) {
    lines.push(`  ${name}  <${typeName(field)}>${isRequired ? '  required' : ''}`);
    if (field.description) lines.push(...wrapText(field.description, columns, '    '));
    // The limits of a list's values are as much a limit of the list.
    const limits = [...limitsOf(field), ...(field.items ? limitsOf(field.items) : [])];
    if (limits.length) lines.push(...wrapText(limits.join('; '), columns, '    '));
    lines.push('');
  }
  return lines;
};

const listFields = (schema: Schema, indent: string): string[] =>
  fieldsOf(schema).flatMap(([name, field, isRequired]) => [
    `${indent}${name}  <${typeName(field)}>${isRequired ? '  required' : ''}`,
    ...listFields(field, `${indent}  `),
  ]);

/** The page of a kind, or of one of its fields, as lines. */
export const explainLines = (kind: Kind, path: readonly string[], recursive: boolean, columns: number): string[] => {
  const schema = findField(wholeSchema(kind), path, kind.singular);
  const lines = [`KIND:     ${kind.kind}`, `VERSION:  ${kind.group ? `${kind.group}/` : ''}${kind.version}`];
  if (kind.alsoServed.length) lines.push(`          also served as ${kind.alsoServed.join(', ')}`);
  if (path.length) lines.push(`FIELD:    ${path.join('.')}  <${typeName(schema)}>`);
  lines.push('');
  if (schema.description) lines.push(...wrapText(schema.description, columns, ''), '');
  const limits = path.length ? limitsOf(schema) : [];
  if (limits.length) lines.push(...wrapText(limits.join('; '), columns, ''), '');
  if (fieldsOf(schema).length) {
    lines.push('FIELDS:', ...(recursive ? listFields(schema, '  ') : describeFields(schema, columns)));
  }
  while (lines.at(-1) === '') lines.pop();
  return lines;
};

interface Options {
  readonly recursive?: boolean;
}

export const command = (terminal: Terminal): Command =>
  newCommand('explain', 'Shows the fields of a kind: what they mean, their types and limits.', [
    'weft explain httproute',
    'weft explain httproute.spec.rules.matches',
    'weft explain authorizationpolicy --recursive',
  ])
    .argument('<kind>', 'a kind, and a path of fields behind it')
    .usage('[options] KIND[.FIELD…]')
    .option('-r, --recursive', 'Only names and types, of all fields below.')
    .action((target: string, { recursive = false }: Options) => {
      const [kindName = '', ...path] = target.split('.');
      const columns = terminal.columns || 100;
      for (const line of explainLines(requireKind(kindName), path, recursive, columns)) terminal.print(line);
    });
