// How `weft get` prints: the API's table as lines, resources as YAML, JSON or names. Used by get.ts and get-watch.ts.
import type { Table, TableRow } from '../client/client.ts';
import { type Resource, withoutManagedFields } from '../model/resource.ts';
import { kindPrefix, type Wanted } from './kind-names.ts';
import { paintWith } from './state-colour.ts';
import type { Terminal } from './terminal.ts';
import { type TextColumn, TextTable } from './text-table.ts';

export interface TableLayout {
  readonly wide: boolean;
  /** A NAMESPACE column in front. */
  readonly withNamespace: boolean;
  /** In front of each name, e.g. `service/`. */
  readonly prefix: string;
}

const NUMBERS = new Set(['integer', 'number']);

/** Formats rows of a table; the column widths stay from one call to the next. */
export class TableFormatter {
  readonly #layout: TableLayout;
  readonly #shown: readonly number[];
  readonly #text: TextTable;

  constructor(table: Table, layout: TableLayout, terminal: Pick<Terminal, 'hasColour'>) {
    this.#layout = layout;
    const definitions = table.columnDefinitions;
    this.#shown = definitions.map((_, i) => i).filter((i) => layout.wide || definitions[i]!.priority === 0);
    const columns: TextColumn[] = this.#shown.map((i) => {
      const { name, type } = definitions[i]!;
      return { name, right: NUMBERS.has(type), state: true };
    });
    if (layout.withNamespace) columns.unshift({ name: 'Namespace' });
    this.#text = new TextTable(columns, paintWith(terminal.hasColour));
  }

  head(): string {
    return this.#text.head();
  }

  /** `age` stands in the last column instead of the row's own, for what is gone. */
  rows(rows: readonly TableRow[], age?: string): string[] {
    return this.#text.rows(rows.map((row) => this.#cells(row, age)));
  }

  #cells(row: TableRow, age: string | undefined): unknown[] {
    const cells = this.#shown.map((i, position) => {
      if (position === 0) return `${this.#layout.prefix}${row.cells[i]}`;
      return age !== undefined && position === this.#shown.length - 1 ? age : row.cells[i];
    });
    if (this.#layout.withNamespace) cells.unshift(row.object?.metadata.namespace);
    return cells;
  }
}

const rowKey = ({ object, cells }: TableRow): string =>
  object ? `${object.metadata.namespace ?? ''}/${object.metadata.name}` : String(cells[0]);

/** Rows by namespace, then name. */
export const sortedRows = (rows: readonly TableRow[]): TableRow[] =>
  [...rows].sort((a, b) => (rowKey(a) < rowKey(b) ? -1 : 1));

export const tableLines = (table: Table, layout: TableLayout, terminal: Pick<Terminal, 'hasColour'>): string[] => {
  const formatter = new TableFormatter(table, layout, terminal);
  const lines = formatter.rows(sortedRows(table.rows));
  return [formatter.head(), ...lines];
};

/** A resource as YAML, in the order that people write it. */
export const toYaml = async (value: unknown): Promise<string> => {
  const { stringify } = await import('yaml');
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
};

/** `isOne`: a single resource was asked for by name; else the form is a List. */
export const formatResources = async (
  found: readonly { readonly resource: Resource; readonly wanted: Wanted }[],
  format: 'yaml' | 'json' | 'name',
  isOne: boolean,
): Promise<string> => {
  if (format === 'name') {
    return found.map(({ resource, wanted }) => `${kindPrefix(wanted.kind)}/${resource.metadata.name}\n`).join('');
  }
  const items = found.map(({ resource }) => withoutManagedFields(resource));
  const value =
    isOne && items.length === 1
      ? items[0]
      : { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items };
  return format === 'json' ? `${JSON.stringify(value, null, 2)}\n` : toYaml(value);
};
