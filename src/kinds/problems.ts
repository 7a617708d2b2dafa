// How the checks of kinds word what they find: one problem about one field of one resource.
import type { Problem } from '../model/problem.ts';
import type { Resource } from '../model/resource.ts';

export const resourceRef = (resource: Resource): NonNullable<Problem['resource']> => ({
  apiVersion: resource.apiVersion,
  kind: resource.kind,
  name: resource.metadata.name,
  ...(resource.metadata.namespace ? { namespace: resource.metadata.namespace } : {}),
});

/** A problem for a field whose value the kind can't take. */
export const invalidField = (resource: Resource, path: string, message: string, hint?: string): Problem => ({
  code: 'INVALID_FIELD',
  severity: 'error',
  message: `${path}: ${message}`,
  resource: resourceRef(resource),
  path,
  ...(hint ? { hint } : {}),
});

/** A problem for a field that must be there. */
export const missingField = (resource: Resource, path: string, message = 'is required'): Problem => ({
  ...invalidField(resource, path, message),
  code: 'REQUIRED_FIELD',
});

/** The items of a list that are equal by `key` to an earlier one, with their index. */
export const repeated = <T>(items: readonly T[], key: (item: T) => string): { item: T; index: number }[] => {
  const seen = new Set<string>();
  const found: { item: T; index: number }[] = [];
  items.forEach((item, index) => {
    const k = key(item);
    if (seen.has(k)) found.push({ item, index });
    seen.add(k);
  });
  return found;
};
