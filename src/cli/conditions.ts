// Conditions of a resource wherever its kind keeps them, and which of them say that something is wrong.
import type { Condition, Resource } from '../model/resource.ts';

export interface PlacedCondition {
  /** Whose condition it is where a status has several holders: `parent Gateway/shop`, `listener http`; else empty. */
  readonly holder: string;
  readonly condition: Condition;
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsIn = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};

const listIn = (value: unknown): Fields[] => (Array.isArray(value) ? value.map(fieldsIn) : []);

const isCondition = (value: unknown): value is Condition => {
  const { type, status } = fieldsIn(value);
  return typeof type === 'string' && typeof status === 'string';
};

const parentName = (ref: Fields): string => {
  const { kind = 'Gateway', namespace, name, sectionName, port } = ref;
  const section = sectionName === undefined ? '' : ` listener ${sectionName}`;
  return `${kind}/${namespace === undefined ? '' : `${namespace}/`}${name}${port === undefined ? '' : `:${port}`}${section}`;
};

/** All conditions, in the order of the status. */
export const conditionsOf = (resource: Resource): PlacedCondition[] => {
  const status = fieldsIn(resource.status);
  const placed = (holder: string, conditions: unknown): PlacedCondition[] =>
    (Array.isArray(conditions) ? conditions : []).filter(isCondition).map((condition) => ({ holder, condition }));
  return [
    ...placed('', status.conditions),
    ...listIn(status.parents).flatMap(({ parentRef, conditions }) =>
      placed(`parent ${parentName(fieldsIn(parentRef))}`, conditions),
    ),
    ...listIn(status.ancestors).flatMap(({ ancestorRef, conditions }) =>
      placed(`at ${parentName(fieldsIn(ancestorRef))}`, conditions),
    ),
    ...listIn(status.listeners).flatMap(({ name, conditions }) => placed(`listener ${String(name)}`, conditions)),
  ];
};

// Conditions whose True is the bad news. OverlappingTLSConfig is none: gateways tell such requests apart.
const BAD_WHEN_TRUE = new Set([
  'Conflicted',
  'PartiallyInvalid',
  'Degraded',
  'Stalled',
  'InsecureFrontendValidationMode',
]);

export const isBad = ({ condition }: PlacedCondition): boolean =>
  condition.status === (BAD_WHEN_TRUE.has(condition.type) ? 'True' : 'False');

/** Whether a condition was made for an older spec than the resource has now. */
export const isStale = (resource: Resource, { condition }: PlacedCondition): boolean =>
  condition.observedGeneration !== undefined && condition.observedGeneration < (resource.metadata.generation ?? 0);

/** `ResolvedRefs=False (BackendNotFound): service default/x does not exist`. */
export const conditionText = ({ holder, condition }: PlacedCondition): string => {
  const reason = condition.reason ? ` (${condition.reason})` : '';
  const message = condition.message ? `: ${condition.message}` : '';
  return `${holder === '' ? '' : `${holder}: `}${condition.type}=${condition.status}${reason}${message}`;
};
