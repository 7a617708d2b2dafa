// Tables that change in place: a row keeps its element while its key stays, so that selections and scrolling survive.
// Every text goes in through textContent. Called by page.js.

/** A cell is a text, or `{ text, state, title }` with `state` one of good, warn, bad, zero. */
const fillCell = (element, column, cell) => {
  const { text, state = '', title } = typeof cell === 'object' ? cell : { text: cell };
  const shown = String(text ?? '');
  const className = [column.className, state].filter(Boolean).join(' ');
  if (element.textContent !== shown) element.textContent = shown;
  if (element.className !== className) element.className = className;
  const wanted = title ?? (column.className?.includes('request') ? shown : '');
  if (element.title !== wanted) element.title = wanted;
};

const headOf = (columns) => {
  const head = document.createElement('thead');
  const row = head.insertRow();
  for (const { name, className = '' } of columns) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.textContent = name;
    cell.className = className.includes('number') ? 'number' : '';
    row.append(cell);
  }
  return head;
};

export const openTable = (table, columns) => {
  const body = document.createElement('tbody');
  table.append(headOf(columns), body);
  const rows = new Map();

  const makeRow = (cells) => {
    const row = document.createElement('tr');
    columns.forEach((column, i) => {
      fillCell(row.insertCell(), column, cells[i]);
    });
    return row;
  };

  return {
    /** Shows exactly these rows, in this order: `[{ key, cells }]`. */
    set(wanted) {
      const keys = new Set(wanted.map(({ key }) => key));
      for (const [key, row] of rows) {
        if (keys.has(key)) continue;
        row.remove();
        rows.delete(key);
      }
      wanted.forEach(({ key, cells }, i) => {
        let row = rows.get(key);
        if (row) {
          columns.forEach((column, c) => {
            fillCell(row.cells[c], column, cells[c]);
          });
        } else {
          row = makeRow(cells);
          rows.set(key, row);
        }
        if (body.rows[i] !== row) body.insertBefore(row, body.rows[i] ?? null);
      });
    },
  };
};
