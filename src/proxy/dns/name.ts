// DNS names in wire form: a latin1 string of length-prefixed labels that ends in the root, so that any bytes can be labels
// and a name is its own key. Used all over dns/.

/** `\x07reviews\x07default\x00`. */
export type WireName = string;

export const ROOT: WireName = '\0';
const MAX_LABEL = 63;
export const MAX_NAME = 255;

/** Of a name as people write it, with or without the last dot; undefined where it is none. */
export const wireNameOf = (text: string): WireName | undefined => {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  let wire = '';
  for (const label of bare === '' ? [] : bare.split('.')) {
    if (label.length < 1 || label.length > MAX_LABEL || /[^\x21-\x7e]/.test(label)) return;
    wire += String.fromCharCode(label.length) + label;
  }
  return wire.length < MAX_NAME ? wire + ROOT : undefined;
};

/** As people write it, without the last dot; bytes that could mislead a reader are escaped. */
export const nameText = (name: WireName): string => {
  const labels: string[] = [];
  for (let rest = name; rest !== ROOT && rest !== ''; rest = parentOf(rest)) {
    labels.push(
      firstLabel(rest).replace(/[^\x21-\x7e]|[.\\]/g, (byte) => `\\${String(byte.charCodeAt(0)).padStart(3, '0')}`),
    );
  }
  return labels.join('.') || '.';
};

/** Lengths stay below the letters, so the whole string can be folded; other bytes than A-Z are left alone. */
export const foldCase = (name: WireName): WireName =>
  /[A-Z]/.test(name) ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : name;

export const firstLabel = (name: WireName): string => name.slice(1, 1 + name.charCodeAt(0));

/** The name without its first label; the root has none. */
export const parentOf = (name: WireName): WireName => name.slice(1 + name.charCodeAt(0));

export const isBelow = (name: WireName, zone: WireName): boolean => {
  for (let rest = name; rest.length >= zone.length; rest = parentOf(rest)) if (rest === zone) return true;
  return false;
};

/** A name at `start`, with where it ends; undefined where it is not one. Pointers lead back only, so none goes in a circle. */
export const readName = (bytes: Buffer, start: number): { name: WireName; end: number } | undefined => {
  let name = '';
  let end = -1;
  let at = start;
  let before = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return;
    if (length === 0) return { name: name + ROOT, end: end < 0 ? at + 1 : end };
    if (length <= MAX_LABEL) {
      const next = at + 1 + length;
      if (next > bytes.length || name.length + 1 + length >= MAX_NAME) return;
      name += bytes.toString('latin1', at, next);
      at = next;
      continue;
    }
    const low = bytes[at + 1];
    if (length < 0xc0 || low === undefined) return;
    const target = ((length & 0x3f) << 8) | low;
    if (target >= before) return;
    if (end < 0) end = at + 2;
    before = target;
    at = target;
  }
};
