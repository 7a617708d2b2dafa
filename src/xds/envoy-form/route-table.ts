// RouteTables as Envoy's RouteConfigurations: virtual hosts, and the CONNECT routes of an explicit proxy among them.
import { create, toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { envoyDirectResponse } from '../../filters/direct-response/envoy.ts';
import type { RouteContext } from '../../filters/envoy-filter.ts';
import { type RouteSchema, VirtualHostSchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '../../gen/envoy/config/route/v3/route_pb.js';
import { bytesField } from '../../lib/protobuf.ts';
import { UNSENT_HEADER } from '../../model/http.ts';
import type { AuthorizationPolicy } from '../../model/policy.ts';
import type { Route, RouteFilter } from '../../model/route.ts';
import type { RouteTable, Tunnel, VirtualHost } from '../../model/snapshot.ts';
import { type EncodedResource, encodeResource } from '../form.ts';
import { ENVOY } from '../type-urls.ts';
import { bestDomain, planDomains } from './domains.ts';
import { hostParts } from './filters.ts';
import { NO_ROUTE } from './http.ts';
import { escapeRegex, type Init } from './message.ts';
import { envoyRoutes } from './route.ts';
import { serviceMetadata } from './route-metadata.ts';
import { internalName, tunnelRoutes } from './tunnels.ts';

type EnvoyRoute = Init<typeof RouteSchema>;
type EnvoyHost = Init<typeof VirtualHostSchema>;

const MAX_DIRECT_BODY_BYTES = 1024 * 1024;

/** The routes of a tunnel, for some of its authorities alone. */
const routesFor = (tunnel: Tunnel, authorities: readonly string[], table: string): EnvoyRoute[] => {
  const regex = authorities.map(escapeRegex).join('|');
  const authority = {
    name: ':authority',
    headerMatchSpecifier: {
      case: 'stringMatch',
      value: { matchPattern: { case: 'safeRegex', value: { regex: `(?i)(?:${regex})` } } },
    },
  } as const;
  return tunnelRoutes(tunnel, internalName(table), { headers: [authority] });
};

interface PlacedTunnels {
  /** By the domain of the virtual host that takes other requests for the same authorities. */
  readonly within: ReadonlyMap<string, EnvoyRoute[]>;
  /** For authorities that no virtual host takes. */
  readonly hosts: readonly EnvoyHost[];
}

const placeTunnels = ({ name, tunnels }: RouteTable, domains: readonly string[]): PlacedTunnels => {
  const within = new Map<string, EnvoyRoute[]>();
  const hosts: EnvoyHost[] = [];
  const taken = new Set<string>();
  for (const tunnel of tunnels) {
    const fresh = tunnel.authorities.filter((authority) => !taken.has(authority));
    for (const authority of fresh) taken.add(authority);
    for (const [domain, authorities] of Map.groupBy(fresh, (authority) => bestDomain(authority, domains))) {
      const routes = routesFor(tunnel, authorities, name);
      if (domain === undefined) hosts.push({ name: `tunnel/${authorities[0]}`, domains: authorities, routes });
      else within.set(domain, [...(within.get(domain) ?? []), ...routes]);
    }
  }
  return { within, hosts };
};

const routesOf = (route: Route, host: VirtualHost, context: RouteContext): EnvoyRoute[] => {
  const routes = envoyRoutes(route, context);
  // Inbound, the log's name says it.
  const metadata = context.isInbound ? undefined : serviceMetadata(route, host);
  return metadata ? routes.map((one) => ({ ...one, metadata })) : routes;
};

export interface RouteTableOptions {
  /** What Envoy calls it. */
  readonly name: string;
  readonly context: RouteContext;
  /** Says with `chain` what the encoding of a virtual host depends on, besides itself. */
  readonly key: string;
  readonly chain?: object;
  /** As the filters of rbac.ts take them. */
  readonly encodePolicies: (policies: readonly AuthorizationPolicy[]) => Record<string, Any>;
  readonly authorization: readonly AuthorizationPolicy[];
}

/** Envoy has no filters for a request without a route: what matches none has one that says so. */
const NOT_FOUND: EnvoyRoute = {
  name: 'none',
  match: { pathSpecifier: { case: 'prefix', value: '' } },
  action: envoyDirectResponse(404, `${NO_ROUTE}\n`),
};

const withEarly = (
  filters: readonly RouteFilter[],
  routes: readonly EnvoyRoute[],
  policies: Record<string, Any> | undefined,
): EnvoyHost => {
  const names = new Set(routes.flatMap(({ typedPerFilterConfig = {} }) => Object.keys(typedPerFilterConfig)));
  return {
    typedPerFilterConfig: { ...hostParts(filters, names), ...policies },
    routes: [...routes, NOT_FOUND],
  };
};

interface EncodedHost {
  readonly chain: object | undefined;
  readonly key: string;
  readonly field: Buffer;
}

const VIRTUAL_HOSTS = RouteConfigurationSchema.field.virtualHosts.number;

/** Encodes tables; of a large one mostly a single virtual host is new, and the bytes of the others are known. */
export const openRouteTables = (): ((table: RouteTable, options: RouteTableOptions) => EncodedResource) => {
  const known = new WeakMap<VirtualHost, EncodedHost>();
  const encodeHost = (
    host: VirtualHost,
    domains: string[],
    tunnels: EnvoyRoute[],
    options: RouteTableOptions,
  ): Buffer => {
    const { context, chain, encodePolicies } = options;
    const key = `${options.key} ${domains.join(' ')}`;
    const before = tunnels.length === 0 ? known.get(host) : undefined;
    if (before?.key === key && before.chain === chain) return before.field;
    const routes = [...tunnels, ...host.routes.flatMap((route) => routesOf(route, host, context))];
    const policies = host.authorization && encodePolicies(host.authorization);
    const field = hostField({
      name: host.name,
      domains,
      ...(policies && { typedPerFilterConfig: policies }),
      routes,
      ...(host.filters && withEarly(host.filters, routes, policies)),
    });
    if (tunnels.length === 0) known.set(host, { chain, key, field });
    return field;
  };
  return (table, options) => {
    const { name, authorization, encodePolicies } = options;
    const domains = table.virtualHosts.flatMap((host) => host.domains);
    const authorities = table.tunnels.flatMap((tunnel) => tunnel.authorities);
    const plan = planDomains(domains, authorities, table.defaultPort);
    const { within, hosts } = placeTunnels(table, domains);
    const rest = {
      name,
      typedPerFilterConfig: encodePolicies(authorization),
      ignorePortInHostMatching: plan.ignorePort,
      // Said between proxies alone: programs can't, callers don't see it.
      responseHeadersToRemove: [UNSENT_HEADER],
      maxDirectResponseBodySizeBytes: MAX_DIRECT_BODY_BYTES,
    };
    const own = table.virtualHosts.map((host) => {
      const tunnels = host.domains.flatMap((domain) => within.get(domain) ?? []);
      return encodeHost(
        host,
        host.domains.flatMap((domain) => plan.expand(domain)),
        tunnels,
        options,
      );
    });
    const head = toBinary(RouteConfigurationSchema, create(RouteConfigurationSchema, rest));
    return encodeResource(name, ENVOY.routes, Buffer.concat([head, ...own, ...hosts.map(hostField)]));
  };
};

const hostField = (host: EnvoyHost): Buffer =>
  bytesField(VIRTUAL_HOSTS, Buffer.from(toBinary(VirtualHostSchema, create(VirtualHostSchema, host))));
