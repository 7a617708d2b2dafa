// /config_dump: the configuration in use, in the envelopes that Envoy has for it. What is in them is Weft's own form, and
// says so by its `@type`. Called by admin.ts.
import { WeftError } from '../../lib/errors.ts';
import { compilePattern } from '../../lib/pattern.ts';
import { Secret } from '../../lib/secret.ts';
import { isTlsSecret, type SnapshotSecret } from '../../model/snapshot.ts';
import type { ProxyInspection } from './inspection.ts';
import { nodeJson } from './pages.ts';
import type { PartVersion } from './versions.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** One dump: lists of named parts, by the name of the list. */
interface Dump {
  readonly type: string;
  readonly head: JsonObject;
  readonly lists: Readonly<Record<string, { readonly of: string; readonly parts: readonly NamedPart[] }>>;
}

interface NamedPart {
  readonly name: string;
  readonly json: JsonObject;
}

export interface DumpQuery {
  /** Only the parts of this list, each by itself. */
  readonly resource: string | undefined;
  /** Only these fields: paths with dots, separated by commas. */
  readonly mask: string | undefined;
  /** Only parts whose name has this pattern in it. */
  readonly nameRegex: string | undefined;
  readonly includeEds: boolean;
}

const ADMIN = 'type.googleapis.com/envoy.admin.v3.';
const REDACTED = new Secret('');

const versionJson = ({ revision, atMs }: PartVersion) => ({
  version_info: String(revision),
  last_updated: new Date(atMs).toISOString(),
});

const own = (type: string, part: object): JsonObject => ({ '@type': `weft.v1.${type}`, ...part });

const secretJson = (secret: SnapshotSecret): object =>
  isTlsSecret(secret)
    ? { name: secret.name, chainPem: secret.chainPem, keyPem: REDACTED }
    : { name: secret.name, trustedPem: secret.caPem };

const secretParts = ({ svid, snapshot, versions }: ProxyInspection): NamedPart[] => {
  const part = (name: string, version: PartVersion, secret: object): NamedPart => ({
    name,
    json: { name, ...versionJson(version), secret: own('Secret', secret) },
  });
  const proven = svid && { revision: versions.latest.revision, atMs: svid.notBefore };
  return [
    ...(svid && proven
      ? [
          part('default', proven, {
            name: 'default',
            spiffeId: svid.spiffeId,
            chainPem: svid.chainPem,
            keyPem: REDACTED,
          }),
          part('ROOTCA', proven, { name: 'ROOTCA', trustedPem: svid.bundlePem }),
        ]
      : []),
    ...[...(snapshot?.secrets.values() ?? [])].map((secret) =>
      part(secret.name, versions.of(secret), secretJson(secret)),
    ),
  ];
};

const endpointParts = (proxy: ProxyInspection, isStatic: boolean): NamedPart[] =>
  proxy.clusters
    .filter(({ cluster }) => (cluster.discovery.type !== 'eds') === isStatic)
    .map(({ cluster: { name }, endpoints }) => {
      const set = { cluster: name, endpoints: endpoints.map(({ endpoint }) => endpoint) };
      return { name, json: { endpoint_config: own('EndpointSet', set) } };
    });

const dumpsOf = (proxy: ProxyInspection, includeEds: boolean): Dump[] => {
  const { node, snapshot, versions } = proxy;
  const partsOf = <T extends { readonly name: string }>(
    map: ReadonlyMap<string, T> | undefined,
    json: (part: T, version: ReturnType<typeof versionJson>) => JsonObject,
  ): NamedPart[] =>
    [...(map?.values() ?? [])].map((part) => ({ name: part.name, json: json(part, versionJson(versions.of(part))) }));
  const { last_updated, version_info } = versionJson(versions.latest);
  const clusters = partsOf(snapshot?.clusters, (cluster, { version_info, last_updated }) => ({
    version_info,
    cluster: own('Cluster', cluster),
    last_updated,
  }));
  const listeners = partsOf(snapshot?.listeners, (listener, version) => ({
    name: listener.name,
    active_state: {
      version_info: version.version_info,
      listener: own('Listener', listener),
      last_updated: version.last_updated,
    },
  }));
  const routes = partsOf(snapshot?.routes, (table, { version_info, last_updated }) => ({
    version_info,
    route_config: own('RouteTable', table),
    last_updated,
  }));
  const eds: Dump = {
    type: 'EndpointsConfigDump',
    head: {},
    lists: {
      static_endpoint_configs: { of: 'StaticEndpointConfig', parts: endpointParts(proxy, true) },
      dynamic_endpoint_configs: { of: 'DynamicEndpointConfig', parts: endpointParts(proxy, false) },
    },
  };
  return [
    { type: 'BootstrapConfigDump', head: { bootstrap: { node: nodeJson(node) }, last_updated }, lists: {} },
    {
      type: 'ClustersConfigDump',
      head: { version_info },
      lists: { dynamic_active_clusters: { of: 'DynamicCluster', parts: clusters } },
    },
    ...(includeEds ? [eds] : []),
    {
      type: 'ListenersConfigDump',
      head: { version_info },
      lists: { dynamic_listeners: { of: 'DynamicListener', parts: listeners } },
    },
    {
      type: 'RoutesConfigDump',
      head: {},
      lists: { dynamic_route_configs: { of: 'DynamicRouteConfig', parts: routes } },
    },
    {
      type: 'SecretsConfigDump',
      head: {},
      lists: { dynamic_active_secrets: { of: 'DynamicSecret', parts: secretParts(proxy) } },
    },
  ];
};

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The fields that the paths name; `@type` stays. A list has them in each of its members. */
const masked = (value: unknown, paths: readonly (readonly string[])[]): unknown => {
  if (paths.some((path) => path.length === 0)) return value;
  if (Array.isArray(value)) return value.map((one) => masked(one, paths));
  if (!isObject(value)) return undefined;
  const kept: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    const inside = paths.filter(([first]) => first === name).map((path) => path.slice(1));
    if (name === '@type') kept[name] = field;
    else if (inside.length > 0) kept[name] = masked(field, inside);
  }
  return kept;
};

const MAX_PATTERN = 1024;

const nameTest = (pattern: string | undefined): ((part: NamedPart) => boolean) => {
  if (pattern === undefined) return () => true;
  if (pattern.length > MAX_PATTERN) throw new WeftError('PATTERN_INVALID', 'name_regex is too long');
  const compiled = compilePattern(pattern);
  return ({ name }) => compiled.matches(name);
};

/** Undefined where there is no such resource; throws NOT_SUPPORTED for a mask that fits nothing. */
export const configDump = (
  proxy: ProxyInspection,
  query: DumpQuery,
): { readonly configs: readonly unknown[] } | undefined => {
  const { resource, mask, nameRegex, includeEds } = query;
  const isWanted = nameTest(nameRegex);
  const paths = mask?.split(',').map((path) => path.split('.'));
  const dumps = dumpsOf(proxy, includeEds || resource?.endsWith('_endpoint_configs') === true);
  const trim = (json: JsonObject): unknown => (paths ? masked(json, paths) : json);
  if (resource !== undefined) {
    const holder = dumps.find(({ lists }) => Object.hasOwn(lists, resource));
    if (!holder) return undefined;
    const { of, parts } = holder.lists[resource]!;
    const type = `${ADMIN}${holder.type}.${of}`;
    return { configs: parts.filter(isWanted).map(({ json }) => trim({ '@type': type, ...json })) };
  }
  const whole = dumps.map(({ type, head, lists }) => {
    const shown = Object.entries(lists).map(([name, { parts }]) => [
      name,
      parts.filter(isWanted).map(({ json }) => json),
    ]);
    return { '@type': `${ADMIN}${type}`, ...head, ...Object.fromEntries(shown.filter(([, list]) => list!.length > 0)) };
  });
  const configs = whole.map(trim).filter((config) => !paths || Object.keys(config as object).length > 1);
  if (paths && configs.length === 0) {
    throw new WeftError('NOT_SUPPORTED', `the mask ${mask} fits no part of the configuration`);
  }
  return { configs };
};
