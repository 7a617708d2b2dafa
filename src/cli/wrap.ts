// Breaks prose into lines that fit the screen. Used by explain and describe.

/** Lines of at most `columns` characters, each with `indent` in front; long words stay whole. */
export const wrapText = (text: string, columns: number, indent: string): string[] => {
  const room = Math.max(20, Math.min(columns, 100) - indent.length);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  if (line !== '') lines.push(indent + line);
  return lines;
};
