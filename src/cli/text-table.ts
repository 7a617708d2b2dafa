// Tables as kubectl prints them: upper-case heads, columns two spaces apart, no boxes. Used by get, describe, flows.
import { type Paint, stateOf } from './state-colour.ts';

export interface TextColumn {
  readonly name: string;
  /** Narrowest width, for live output whose rows come one by one. */
  readonly min?: number;
  /** Numbers stand under each other at the right. */
  readonly right?: boolean;
  /** Whether words such as True and Healthy get their colour. */
  readonly state?: boolean;
}

// Control characters from outside must not reach the screen: they could rewrite what is shown.
export const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\u00b7');

const cellText = (value: unknown): string =>
  value === null || value === undefined || value === '' ? '<none>' : printable(String(value));

/** Keeps column widths from one batch of rows to the next, so that live output stays aligned. */
export class TextTable {
  readonly #columns: readonly TextColumn[];
  readonly #widths: number[];
  readonly #paint: Paint;

  constructor(columns: readonly TextColumn[], paint: Paint) {
    this.#columns = columns;
    this.#widths = columns.map(({ name, min = 0 }) => Math.max(name.length, min));
    this.#paint = paint;
  }

  head(): string {
    return this.#line(this.#columns.map(({ name }) => name.toUpperCase()));
  }

  /** Widens the columns for these rows and formats them. */
  rows(rows: readonly (readonly unknown[])[]): string[] {
    const cells = rows.map((row) => this.#columns.map((_, i) => cellText(row[i])));
    for (const row of cells) {
      for (const [i, cell] of row.entries()) this.#widths[i] = Math.max(this.#widths[i]!, cell.length);
    }
    return cells.map((row) => this.#line(row, true));
  }

  #line(cells: readonly string[], coloured = false): string {
    const last = cells.length - 1;
    const parts = cells.map((cell, i) => {
      const column = this.#columns[i]!;
      const padding = ' '.repeat(Math.max(0, this.#widths[i]! - cell.length));
      const state = coloured && column.state ? stateOf(cell) : undefined;
      const text = state ? this.#paint(state, cell) : cell;
      if (column.right) return padding + text;
      return i === last ? text : text + padding;
    });
    return parts.join('  ').trimEnd();
  }
}

/** Head and rows at once. */
export const formatTable = (
  columns: readonly TextColumn[],
  rows: readonly (readonly unknown[])[],
  paint: Paint,
): string[] => {
  const table = new TextTable(columns, paint);
  const lines = table.rows(rows);
  return [table.head(), ...lines];
};
