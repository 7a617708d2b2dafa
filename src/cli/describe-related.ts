// What belongs to a resource besides itself: the workloads and routes of a service, and events. Used by describe.ts.
import type { Client, ResourceType } from '../client/client.ts';
import { findKindByName } from '../kinds/registry.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Resource } from '../model/resource.ts';
import { paintWith } from './state-colour.ts';
import type { Terminal } from './terminal.ts';
import { formatTable } from './text-table.ts';

type Section = readonly [title: string, lines: readonly string[]];
type Labels = Readonly<Record<string, string>>;

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

const isSubset = (selector: Labels, labels: Labels): boolean =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);

const labelsOf = (workload: Resource): Labels => ({
  ...workload.metadata.labels,
  ...(workload.spec as { labels?: Labels } | undefined)?.labels,
});

const workloadsOf = async (client: Client, service: Resource, terminal: Terminal): Promise<Section[]> => {
  const { selector = {} } = (service.spec ?? {}) as { selector?: Labels };
  const kind = findKindByName('workloads');
  if (!kind || Object.keys(selector).length === 0) return [];
  const { items } = await client.list(kind, { namespace: service.metadata.namespace });
  const selected = items.filter((workload) => isSubset(selector, labelsOf(workload)));
  if (selected.length === 0) {
    const wanted = Object.entries(selector).map(([name, value]) => `${name}=${value}`);
    const start = `weft run --service ${selector.app ?? service.metadata.name}`;
    const version = selector.version === undefined ? '' : ` --version ${selector.version}`;
    return [['Workloads', [`  none has the labels ${wanted.join(', ')}; "${start}${version}" starts one`]]];
  }
  const columns = kind.columns.filter(({ wide }) => !wide);
  const heads = ['Name', ...columns.map(({ name }) => name)].map((name) => ({ name, state: true }));
  const rows = selected.map((one) => [one.metadata.name, ...columns.map(({ value }) => value(one))]);
  return [['Workloads', indented(formatTable(heads, rows, paintWith(terminal.hasColour)))]];
};

interface Ref {
  readonly kind?: string;
  readonly name?: string;
  readonly namespace?: string;
}

interface AttachedSpec {
  /** Of routes. */
  readonly parentRefs?: readonly Ref[];
  /** Of a ListenerSet. */
  readonly parentRef?: Ref;
}

const ROUTES = ['httproutes', 'grpcroutes', 'tlsroutes', 'tcproutes', 'udproutes'];

/** What names the resource as its parent, of these kinds. */
const attachedTo = async (
  client: Client,
  parent: Resource,
  title: string,
  plurals: readonly string[],
): Promise<Section[]> => {
  const { name, namespace } = parent.metadata;
  const lists = plurals
    .flatMap((plural) => findKindByName(plural) ?? [])
    .map(async (kind) => {
      const { items } = await client.list(kind);
      return items
        .filter(({ spec, metadata }) => {
          const { parentRefs = [], parentRef } = (spec ?? {}) as AttachedSpec;
          return [...parentRefs, ...(parentRef ? [parentRef] : [])].some(
            (ref) =>
              (ref.kind ?? 'Gateway') === parent.kind &&
              ref.name === name &&
              (ref.namespace ?? metadata.namespace) === namespace,
          );
        })
        .map(({ metadata }) => `  ${kind.kind} ${metadata.namespace}/${metadata.name}`);
    });
  const lines = (await Promise.all(lists)).flat();
  return lines.length ? [[title, lines]] : [];
};

const PARENTS = ['Service', 'Gateway', 'ListenerSet'];

const EVENTS: ResourceType = { group: '', version: 'v1', plural: 'events', namespaced: true };

interface EventResource {
  readonly lastTimestamp?: string;
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
}

const eventsOf = async (client: Client, resource: Resource): Promise<Section[]> => {
  const { name, namespace } = resource.metadata;
  const fieldSelector = `involvedObject.name=${name},involvedObject.kind=${resource.kind}`;
  try {
    const { items } = await client.list(EVENTS, { namespace, fieldSelector });
    const lines = (items as readonly (Resource & EventResource)[]).map(
      ({ lastTimestamp = '', type = '', reason = '', message = '' }) =>
        `  ${lastTimestamp}  ${type}  ${reason}: ${message}`,
    );
    return lines.length ? [['Events', lines]] : [];
  } catch (error) {
    // An API without events is complete without them.
    if (isWeftError(error, 'API_NOT_FOUND') || isWeftError(error, 'API_BAD_REQUEST')) return [];
    throw error;
  }
};

/** The sections that stand between the conditions and the spec. */
export const relatedLines = async (client: Client, resource: Resource, terminal: Terminal): Promise<Section[]> => [
  ...(resource.kind === 'Service' ? await workloadsOf(client, resource, terminal) : []),
  ...(resource.kind === 'Gateway' ? await attachedTo(client, resource, 'ListenerSets', ['listenersets']) : []),
  ...(PARENTS.includes(resource.kind) ? await attachedTo(client, resource, 'Routes', ROUTES) : []),
  ...(await eventsOf(client, resource)),
];
