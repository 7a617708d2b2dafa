// What a filter says to Envoy. Made by the filters, used by xds/envoy-form.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { AccessLogSchema } from '../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { ClusterSchema } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TransportSocketSchema } from '../gen/envoy/config/core/v3/base_pb.js';
import type {
  RateLimitSchema,
  RouteActionSchema,
  RouteSchema,
} from '../gen/envoy/config/route/v3/route_components_pb.js';
import type {
  HttpFilterSchema,
  ResponseMapperSchema,
} from '../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { ForwardAction, Route, RouteFilter } from '../model/route.ts';
import type { Cluster, HttpHandler, RouteTable } from '../model/snapshot.ts';
import type { Init } from './envoy-message.ts';

/** What routes have to know of the snapshot around them, to be encoded. */
export interface RouteContext {
  /** How requests reach a gateway's routes; absent where the caller's own words are all there is. */
  readonly entry?: { readonly scheme: 'http' | 'https'; readonly port: number };
  /** True where the routes lead to the one program behind this proxy. */
  readonly isInbound: boolean;
  /** Clusters whose endpoints are reached at their proxies, over mutual TLS. */
  readonly meshClusters: ReadonlySet<string>;
  /** Clusters that are spoken to by HTTP/2, as gRPC needs it. */
  readonly http2Clusters: ReadonlySet<string>;
}

export interface EnvoyFilter<Filter extends RouteFilter = RouteFilter> {
  /**
   * Its place in the chain, for those that Envoy's router does not do: disabled but for routes that ask for it, so that
   * it costs nothing and no route has to replace a listener, which would end its connections. Undefined: not here.
   */
  httpFilter?(
    handler: HttpHandler,
    table: RouteTable | undefined,
  ): Init<typeof HttpFilterSchema> | readonly Init<typeof HttpFilterSchema>[] | undefined;
  /** What of the routes its place depends on, for the few that can't do without; should seldom change. */
  chainKey?(table: RouteTable): string;
  /** What a route needs with these filters, all of its types in their order. */
  route(filters: readonly Filter[], route: Route): EnvoyRouteParts;
  /** Places in front of all others, for filters that hosts have before routes are looked for; disabled but for those. */
  early?(table: RouteTable): readonly Init<typeof HttpFilterSchema>[];
  /** What a host needs with such filters. */
  host?(filters: readonly Filter[]): EnvoyRouteParts['perFilter'];
  off?: FilterOff;
}

/**
 * What a route says that does without the place `name` in the chain. Envoy looks once which filters a request has: where an
 * early one may lead it to another route, it has those of all routes of its host, and is told so which count.
 */
export type FilterOff = (name: string) => Any | undefined;

/** What a setting says to Envoy. */
export interface EnvoySetting {
  /** As a filter's. */
  httpFilter?: EnvoyFilter['httpFilter'];
  chainKey?: EnvoyFilter['chainKey'];
  off?: FilterOff;
  /** What a route that forwards needs. */
  route?(action: ForwardAction, context: RouteContext): EnvoyRouteParts;
  /** Changes of answers that Envoy makes by itself; the first that fits is made. */
  readonly replies?: readonly Init<typeof ResponseMapperSchema>[];
  cluster?(cluster: Cluster): Partial<Init<typeof ClusterSchema>>;
  /** What connections are made over, where it is not plain text; behind a PROXY protocol header. */
  transportSocket?(cluster: Cluster): Init<typeof TransportSocketSchema> | undefined;
  /** Beside the log from which events are made. */
  accessLogs?(handler: HttpHandler): Init<typeof AccessLogSchema>[];
}

export interface EnvoyRouteParts {
  /** By the names of entries in the chain. */
  readonly perFilter?: Readonly<Record<string, Any>>;
  readonly route?: Partial<Init<typeof RouteSchema>>;
  /** Where the route forwards; of several filters all of them. */
  readonly rateLimits?: MessageInitShape<typeof RateLimitSchema>[];
  /** Where the route forwards. */
  readonly action?: Partial<Init<typeof RouteActionSchema>>;
}
