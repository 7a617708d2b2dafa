// Which fields of a policy compile can't honour, so that none is left out in silence. Used by client-policies.ts and backend-policies.ts.

/** The paths of all that is set and neither in `supported` nor inside one of its entries. */
export const unsupportedPaths = (value: object, supported: ReadonlySet<string>, prefix = ''): string[] =>
  Object.entries(value).flatMap(([name, inner]) => {
    const path = `${prefix}${name}`;
    if (supported.has(path)) return [];
    const isParent = [...supported].some((known) => known.startsWith(`${path}.`));
    const goesOn = isParent && typeof inner === 'object' && inner !== null && !Array.isArray(inner);
    return goesOn ? unsupportedPaths(inner, supported, `${path}.`) : [path];
  });
