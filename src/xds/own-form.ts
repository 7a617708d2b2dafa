// The own form of a snapshot: the model's objects as JSON, and a last resource that closes each push. Used by the server
// to encode and by the client to decode.
import { WeftError } from '../lib/errors.ts';
import { mapAgain, originOf } from '../lib/lists.ts';
import type { NameRecord } from '../model/name-record.ts';
import type {
  Cluster,
  EndpointSet,
  Listener,
  RouteTable,
  Snapshot,
  SnapshotSecret,
  VirtualHost,
} from '../model/snapshot.ts';
import { type EncodedResource, encodeResource, type Form, memoizeEncoding, type ResourceSet } from './form.ts';
import { OWN } from './type-urls.ts';

/** The types in the order in which they are sent and asked for; the closing one last. */
export const OWN_TYPES: readonly string[] = [
  OWN.cluster,
  OWN.endpoints,
  OWN.secret,
  OWN.virtualHost,
  OWN.routes,
  OWN.listener,
  OWN.names,
  OWN.snapshot,
];

/** Of an agent beside an Envoy, which has its own configuration from the server. */
export const AGENT_TYPES: readonly string[] = [OWN.names, OWN.snapshot];

/** The name of the one resource of the closing type. */
export const SNAPSHOT_NAME = 'snapshot';

const encodeJson = (name: string, typeUrl: string, value: unknown): EncodedResource =>
  encodeResource(name, typeUrl, Buffer.from(JSON.stringify(value)));

const named =
  <T extends { readonly name: string }>(typeUrl: string) =>
  (value: T) => [encodeJson(value.name, typeUrl, value)];

const NONE: ResourceSet = new Map();

/** Each server has its own, so that what is encoded goes with it. */
export const openOwnForm = (): Form => {
  const clusters = memoizeEncoding<Cluster>(named(OWN.cluster));
  const endpoints = memoizeEncoding<EndpointSet>((set) => [encodeJson(set.cluster, OWN.endpoints, set)]);
  const secrets = memoizeEncoding<SnapshotSecret>(named(OWN.secret));
  const tables = memoizeEncoding<RouteTable>(({ virtualHosts: _, ...table }) => named(OWN.routes)(table));
  const hosts = openHostEncoding();
  const listeners = memoizeEncoding<Listener>(named(OWN.listener));
  const names = memoizeEncoding<NameRecord>(named(OWN.names));
  const closings = new WeakMap<Snapshot, ResourceSet>();
  let closed = 0;
  const closing = (snapshot: Snapshot): ResourceSet => {
    let set = closings.get(snapshot);
    if (!set) {
      // Every snapshot closes with a new version, also where two have the same revision.
      const value = Buffer.from(JSON.stringify({ revision: snapshot.revision }));
      const resource = encodeResource(SNAPSHOT_NAME, OWN.snapshot, value, `${snapshot.revision}.${++closed}`);
      set = new Map([[SNAPSHOT_NAME, resource]]);
      closings.set(snapshot, set);
    }
    return set;
  };
  return {
    name: 'own',
    types: new Set(OWN_TYPES),
    secretType: OWN.secret,
    fullStateTypes: new Set(),
    namedTypes: new Set(),
    companions: new Map(),
    isWhole: true,
    stages: [{ types: OWN_TYPES, removals: 'send' }],
    resources(snapshot, typeUrl) {
      switch (typeUrl) {
        case OWN.cluster:
          return clusters(snapshot.clusters);
        case OWN.endpoints:
          return endpoints(snapshot.endpoints);
        case OWN.secret:
          return secrets(snapshot.secrets);
        case OWN.routes:
          return tables(snapshot.routes);
        case OWN.virtualHost:
          return hosts(snapshot.routes);
        case OWN.listener:
          return listeners(snapshot.listeners);
        case OWN.names:
          return snapshot.names ? names(snapshot.names) : NONE;
        case OWN.snapshot:
          return closing(snapshot);
        default:
          return NONE;
      }
    },
  };
};

/** What a virtual host is called over all tables; names of tables have no spaces. */
const hostName = (table: string, host: string): string => `${table} ${host}`;

/** The table of a virtual host, by the name of its resource. */
export const tableOfHost = (name: string): string => name.slice(0, Math.max(0, name.indexOf(' ')));

type Hosts = readonly VirtualHost[];

/** By list of hosts, and by table: of a list that came from another only what differs is looked at. */
const openHostEncoding = (): ((tables: ReadonlyMap<string, RouteTable>) => ResourceSet) => {
  const known = new WeakMap<VirtualHost, EncodedResource>();
  const lists = new WeakMap<Hosts, Map<string, readonly EncodedResource[]>>();
  const sets = new WeakMap<ReadonlyMap<string, RouteTable>, ResourceSet>();
  const encode = (table: string, host: VirtualHost): EncodedResource => {
    const name = hostName(table, host.name);
    let resource = known.get(host);
    if (resource?.name !== name) {
      resource = encodeJson(name, OWN.virtualHost, host);
      known.set(host, resource);
    }
    return resource;
  };
  const encodeAll = ({ name, virtualHosts }: RouteTable): readonly EncodedResource[] => {
    const byTable = lists.get(virtualHosts) ?? new Map<string, readonly EncodedResource[]>();
    const origin = originOf(virtualHosts);
    const before = origin && lists.get(origin)?.get(name);
    const encodeHost = (host: VirtualHost) => encode(name, host);
    const encoded =
      byTable.get(name) ??
      (origin && before ? mapAgain(origin, before, virtualHosts, encodeHost) : virtualHosts.map(encodeHost));
    lists.set(virtualHosts, byTable.set(name, encoded));
    return encoded;
  };
  return (tables) => {
    let set = sets.get(tables);
    if (!set) {
      set = setOf([...tables.values()].map(encodeAll));
      sets.set(tables, set);
    }
    return set;
  };
};

/** Looked up by name only where a client is new, or was away. */
const setOf = (lists: readonly (readonly EncodedResource[])[]): ResourceSet => {
  let byName: ReadonlyMap<string, EncodedResource> | undefined;
  const map = () => {
    byName ??= new Map(lists.flat().map((resource) => [resource.name, resource]));
    return byName;
  };
  return { lists, get: (name) => map().get(name), has: (name) => map().has(name), values: () => map().values() };
};

/** The model's object in a resource of the own form. Throws XDS_RESOURCE_INVALID. */
export const decodeOwn = (typeUrl: string, name: string, value: Buffer): object => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString('utf8'));
  } catch (cause) {
    throw new WeftError('XDS_RESOURCE_INVALID', `${typeUrl} ${name} is not JSON`, { at: name, cause });
  }
  if (typeof parsed !== 'object' || parsed === null) {
    throw new WeftError('XDS_RESOURCE_INVALID', `${typeUrl} ${name} is not an object`, { at: name });
  }
  const own = typeUrl === OWN.virtualHost ? name.slice(tableOfHost(name).length + 1) : name;
  const key = typeUrl === OWN.endpoints ? 'cluster' : typeUrl === OWN.snapshot ? undefined : 'name';
  if (key && (parsed as Record<string, unknown>)[key] !== own) {
    throw new WeftError('XDS_RESOURCE_INVALID', `${typeUrl} ${name} holds an object of another name`, { at: name });
  }
  return parsed;
};
