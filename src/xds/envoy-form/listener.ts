// Listeners and their filter chains in Envoy's terms.
import { TrafficDirection } from '../../gen/envoy/config/core/v3/base_pb.js';
import type {
  FilterChainMatchSchema,
  FilterChainSchema,
} from '../../gen/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import { HttpInspectorSchema } from '../../gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { ProxyProtocolSchema } from '../../gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js';
import { TlsInspectorSchema } from '../../gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { ConnectionLimitSchema } from '../../gen/envoy/extensions/filters/network/connection_limit/v3/connection_limit_pb.js';
import type { AuthorizationPolicy } from '../../model/policy.ts';
import type { FilterChain, HttpHandler, Listener, RouteTable } from '../../model/snapshot.ts';
import type { EncodedResource } from '../form.ts';
import { ENVOY } from '../type-urls.ts';
import { explicitProxyAccessLog, httpAccessLog, tcpAccessLog } from './access-log.ts';
import { socketAddress } from './endpoints.ts';
import { writtenLogs } from './filters.ts';
import { httpManager } from './http.ts';
import { configured, duration, type Init, resourceOf } from './message.ts';
import { tcpRbac } from './rbac.ts';
import { isAuthorizing, routesName } from './route-names.ts';
import { tcpProxy } from './tcp.ts';
import { downstreamTls } from './tls.ts';
import { internalName } from './tunnels.ts';
import { encodeUdpListener } from './udp.ts';
import { withoutIdentity } from './without-identity.ts';

export interface ListenerContext {
  readonly trustDomain: string;
  /** The port that policies of a chain speak of. */
  readonly policyPort: (chain: FilterChain) => number;
  readonly tableOf: (handler: HttpHandler) => RouteTable | undefined;
}

type EnvoyChain = Init<typeof FilterChainSchema>;
type ListenerFilters = NonNullable<Init<typeof ListenerSchema>['listenerFilters']>;
type ChainMatch = Init<typeof FilterChainMatchSchema>;

const DIRECTION: Readonly<Record<Listener['direction'], TrafficDirection>> = {
  inbound: TrafficDirection.INBOUND,
  outbound: TrafficDirection.OUTBOUND,
  gateway: TrafficDirection.INBOUND,
};

/** How long the first bytes may take: as the own engine has it for request heads. */
const FIRST_BYTES_MS = 10_000;

/** Over TLS callers say it: Envoy does not look at what it decrypts. */
const HTTP_BY_ALPN = ['http/1.0', 'http/1.1', 'h2'];
const HTTP_BY_BYTES = ['http/1.0', 'http/1.1', 'h2c'];

/** How long clients may be silent until they are taken for those who wait for the other side to speak. */
const SILENCE_MS = 3_000;

const matchOf = ({ match, tls }: FilterChain): ChainMatch => {
  const transport = tls ? 'tls' : match.transport;
  return {
    transportProtocol: transport === 'tls' ? 'tls' : transport === 'plain' ? 'raw_buffer' : '',
    serverNames: [...match.serverNames],
    applicationProtocols: match.protocol ? [...(transport === 'tls' ? HTTP_BY_ALPN : HTTP_BY_BYTES)] : [],
  };
};

/** Who shows a certificate of an ordinary authority is nobody of the mesh. */
export const policiesOf = (
  { tls }: FilterChain,
  policies: readonly AuthorizationPolicy[],
): readonly AuthorizationPolicy[] =>
  tls?.mode === 'terminate' && tls.clientValidation ? withoutIdentity(policies) : policies;

const filtersOf = (listener: Listener, chain: FilterChain, context: ListenerContext): EnvoyChain['filters'] => {
  const { handler } = chain;
  if (handler.type === 'hbone' || handler.type === 'udp') return [];
  const { direction } = listener;
  const log = { direction, ...(handler.service && { service: handler.service }) };
  if (handler.type === 'http') {
    const events = handler.explicitProxy ? explicitProxyAccessLog(log) : httpAccessLog(log);
    const accessLog = [...events, ...writtenLogs(handler)];
    const mesh = chain.tls?.mode === 'mesh';
    const routes = routesName(listener, chain, handler);
    const authorizes = isAuthorizing(listener);
    const table = context.tableOf(handler);
    return [httpManager({ handler, table, routes, authorizes, mesh, inner: false, statPrefix: direction, accessLog })];
  }
  const { targets, idleTimeoutMs, maxDurationMs } = handler;
  return [
    ...tcpRbac(policiesOf(chain, handler.authorization), context.policyPort(chain), direction),
    tcpProxy({ targets, idleTimeoutMs, maxDurationMs, statPrefix: direction, accessLog: tcpAccessLog(log) }),
  ];
};

const alpnOf = ({ handler }: FilterChain): readonly string[] => (handler.type === 'http' ? ['h2', 'http/1.1'] : []);

/** Looked at before all else, in each chain for itself. */
const connectionLimit = ({ name, maxConnections }: FilterChain): NonNullable<EnvoyChain['filters']> =>
  maxConnections === undefined
    ? []
    : [
        configured('envoy.filters.network.connection_limit', ConnectionLimitSchema, {
          statPrefix: name,
          maxConnections: BigInt(maxConnections),
        }),
      ];

const chainOf = (listener: Listener, chain: FilterChain, context: ListenerContext): EnvoyChain => ({
  name: chain.name,
  filterChainMatch: matchOf(chain),
  filters: [...connectionLimit(chain), ...(filtersOf(listener, chain, context) ?? [])],
  ...(chain.tls && { transportSocket: downstreamTls(chain.tls, context.trustDomain, alpnOf(chain)) }),
});

/** Envoy refuses two chains that match the same; of equal ones the first counts. */
const distinctChains = (chains: readonly FilterChain[]): FilterChain[] => {
  const taken = new Set<string>();
  const kept: FilterChain[] = [];
  for (const chain of chains) {
    const { transportProtocol } = matchOf(chain);
    const kind = `${transportProtocol} ${chain.match.protocol ?? ''}`;
    const names = chain.match.serverNames.length > 0 ? chain.match.serverNames : [''];
    const free = names.filter((name) => !taken.has(`${kind} ${name}`));
    if (free.length === 0) continue;
    for (const name of free) taken.add(`${kind} ${name}`);
    const serverNames = free.filter((name) => name !== '');
    kept.push(free.length === names.length ? chain : { ...chain, match: { ...chain.match, serverNames } });
  }
  return kept;
};

const needsFirstBytes = (chains: readonly FilterChain[]): boolean =>
  chains.some((chain) => chain.tls || chain.match.transport || chain.match.serverNames.length > 0);

const detects = (chains: readonly FilterChain[]): boolean => chains.some(({ match }) => match.protocol !== undefined);

/** Clients that have to send a PROXY protocol header may not go on without by being silent. */
const waitsForServers = ({ chains, proxyProtocol }: Listener): boolean => detects(chains) && !proxyProtocol;

/** What is read before a chain is chosen, in this order. */
const listenerFiltersOf = ({ chains, proxyProtocol }: Listener): ListenerFilters => [
  ...(proxyProtocol
    ? [
        configured('envoy.filters.listener.proxy_protocol', ProxyProtocolSchema, {
          allowRequestsWithoutProxyProtocol: proxyProtocol === 'optional',
        }),
      ]
    : []),
  ...(needsFirstBytes(chains) ? [configured('envoy.filters.listener.tls_inspector', TlsInspectorSchema, {})] : []),
  ...(detects(chains) ? [configured('envoy.filters.listener.http_inspector', HttpInspectorSchema, {})] : []),
];

const encodeOuter = (listener: Listener, context: ListenerContext): EncodedResource =>
  resourceOf(listener.name, ENVOY.listener, ListenerSchema, {
    name: listener.name,
    address: socketAddress(listener.address, listener.port),
    trafficDirection: DIRECTION[listener.direction],
    // Else a port that another program of the same user has would be shared with it, without a word.
    enableReusePort: false,
    listenerFilters: listenerFiltersOf(listener),
    listenerFiltersTimeout: duration(waitsForServers(listener) ? SILENCE_MS : FIRST_BYTES_MS),
    continueOnListenerFiltersTimeout: waitsForServers(listener),
    filterChains: distinctChains(listener.chains).map((chain) => chainOf(listener, chain, context)),
  });

/** Where HTTP tunnels of an explicit proxy lead: a listener inside this Envoy. See tunnels.ts. */
const encodeInternal = (handler: HttpHandler, { direction }: Listener): EncodedResource => {
  const name = internalName(handler.routes);
  const common = { statPrefix: direction, idleTimeoutMs: handler.idleTimeoutMs };
  const plain = { routes: handler.routes, authorizes: false, table: undefined };
  const accessLog = httpAccessLog({ direction });
  return resourceOf(name, ENVOY.listener, ListenerSchema, {
    name,
    listenerSpecifier: { case: 'internalListener', value: {} },
    trafficDirection: DIRECTION[direction],
    listenerFilters: [configured('envoy.filters.listener.http_inspector', HttpInspectorSchema, {})],
    listenerFiltersTimeout: duration(handler.idleTimeoutMs),
    filterChains: [
      {
        name: 'http',
        filterChainMatch: { applicationProtocols: ['http/1.0', 'http/1.1'] },
        filters: [httpManager({ handler, ...plain, mesh: false, inner: true, accessLog, ...common })],
      },
    ],
    defaultFilterChain: {
      name: 'tcp',
      filters: [tcpProxy({ targets: [], accessLog: tcpAccessLog({ direction }), ...common })],
    },
  });
};

export const explicitHandlers = (listener: Listener): HttpHandler[] =>
  listener.chains.flatMap(({ handler }) => (handler.type === 'http' && handler.explicitProxy ? [handler] : []));

/** The listener, and the internal ones that its tunnels lead to. A listener without chains is none. */
export const encodeListener = (listener: Listener, context: ListenerContext): EncodedResource[] =>
  listener.chains.length === 0
    ? []
    : listener.transport === 'udp'
      ? encodeUdpListener(listener, DIRECTION[listener.direction])
      : [
          encodeOuter(listener, context),
          ...explicitHandlers(listener).map((handler) => encodeInternal(handler, listener)),
        ];
