// Tables as `kubectl get` prints them: the kind's columns between NAME and AGE.
import type { Column } from '../kinds/kind.ts';
import type { Resource } from '../model/resource.ts';
import type { ServedKind } from './kind-index.ts';
import type { Query } from './request.ts';
import { type ListMeta, metadataOnly } from './wire.ts';

export interface TableOptions {
  /** Of meta.k8s.io. */
  readonly version: string;
  readonly includeObject: Query['includeObject'];
  readonly nowMs: number;
  /** Watch events after the first leave the columns out. */
  readonly withColumns?: boolean;
}

const NAME = { name: 'Name', type: 'string', format: 'name', description: 'Name of the resource.', priority: 0 };
const AGE = { name: 'Age', type: 'string', format: '', description: 'Time since it was created.', priority: 0 };

const definitionOf = (column: Column) => ({
  name: column.name,
  // Times are sent as their age, for people, as Kubernetes does.
  type: column.type === 'date' ? 'string' : column.type,
  format: '',
  description: column.name,
  priority: column.wide ? 1 : 0,
});

/** A span of time as kubectl writes it: `45s`, `5m30s`, `3h`, `2d4h`, `400d`, `3y`. */
export const formatAge = (ms: number): string => {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return pair(days, 'd', hours % 24, 'h');
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return days < 2920 ? pair(years, 'y', days % 365, 'd') : `${years}y`;
};

const pair = (large: number, largeUnit: string, small: number, smallUnit: string): string =>
  small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;

const ageOf = (time: unknown, nowMs: number): string => {
  const at = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return Number.isNaN(at) ? '<unknown>' : formatAge(nowMs - at);
};

const cellOf = (column: Column, resource: Resource, nowMs: number): string | number => {
  let value: string | number;
  try {
    value = column.value(resource);
  } catch {
    // A resource from an older version of the kind must not take the whole table with it.
    return '<unknown>';
  }
  return column.type === 'date' ? ageOf(value, nowMs) : value;
};

const rowOf = (kind: ServedKind, resource: Resource, options: TableOptions) => {
  const { columns } = kind.definition;
  const cells = columns.map((column) => cellOf(column, resource, options.nowMs));
  const age = ageOf(resource.metadata.creationTimestamp, options.nowMs);
  const row = { cells: [resource.metadata.name, ...cells, age] };
  if (options.includeObject === 'None') return row;
  // A table of Secrets never carries their data.
  const isSecret = kind.group === '' && kind.kind === 'Secret';
  const whole = options.includeObject === 'Object' && !isSecret;
  return { ...row, object: whole ? resource : metadataOnly(resource, options.version) };
};

export const tableOf = (
  kind: ServedKind,
  resources: readonly Resource[],
  metadata: ListMeta | { resourceVersion: string },
  options: TableOptions,
) => ({
  kind: 'Table',
  apiVersion: `meta.k8s.io/${options.version}`,
  metadata,
  columnDefinitions: options.withColumns === false ? null : [NAME, ...kind.definition.columns.map(definitionOf), AGE],
  rows: resources.map((resource) => rowOf(kind, resource, options)),
});
