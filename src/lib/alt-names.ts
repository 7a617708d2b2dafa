// Subject alternative names of certificates, out of the text that Node has of them. Used by proxy/tls, by dial.ts and by
// filters/backend-tls.

export interface AltName {
  /** As Node's text form has it: `DNS`, `URI`, `email`, `IP Address`, … */
  readonly type: string;
  readonly value: string;
}

// A name that contains what separates names is quoted as a JSON string.
const NAME = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/y;

/** Out of Node's text form. What can't be read ends the list: no name is made of a part of another. */
export const altNamesIn = (text: string | undefined): AltName[] => {
  const names: AltName[] = [];
  if (!text) return names;
  NAME.lastIndex = 0;
  while (NAME.lastIndex < text.length) {
    const match = NAME.exec(text);
    if (!match) break;
    const [, type = '', raw = ''] = match;
    try {
      names.push({ type, value: raw.startsWith('"') ? String(JSON.parse(raw)) : raw });
    } catch {
      break;
    }
  }
  return names;
};

export const valuesOf = (names: readonly AltName[], type: string): string[] =>
  names.filter((name) => name.type === type).map(({ value }) => value);
