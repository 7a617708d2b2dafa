// HTTP handlers in Envoy's terms: the connection manager with what it must do to headers, paths and time-outs so that it
// does what the own engine does. Used by listener.ts.
import type { HeaderMutationSchema as MutationSchema } from '../../gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import { HeaderValueOption_HeaderAppendAction as AppendAction } from '../../gen/envoy/config/core/v3/base_pb.js';
import { HeaderMutationSchema } from '../../gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import { RouterSchema } from '../../gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  HttpConnectionManager_CodecType as CodecType,
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  HttpConnectionManager_ForwardClientCertDetails as ForwardCert,
  HttpConnectionManagerSchema,
  type LocalReplyConfigSchema,
  type ResponseMapperSchema,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { HeaderMutationSchema as EarlyMutationSchema } from '../../gen/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js';
import { UuidRequestIdConfigSchema } from '../../gen/envoy/extensions/request_id/uuid/v3/uuid_pb.js';
import { UNSENT_HEADER } from '../../model/http.ts';
import type { ForwardClientCert, HttpHandler, RouteTable } from '../../model/snapshot.ts';
import type { AccessLogInit } from './access-log.ts';
import { chainFilters, settingReplies } from './filters.ts';
import { timedOutCall, webFilter } from './grpc.ts';
import { configured, duration, extension, fromAds, type Init, pack } from './message.ts';
import { httpRbac } from './rbac.ts';
import { tunnelClusterFilter } from './tunnel-cluster.ts';

export interface HttpOptions {
  readonly handler: HttpHandler;
  readonly table: RouteTable | undefined;
  /** Name of the routes, as Envoy asks for them. */
  readonly routes: string;
  /** True where policies decide: those of the routes. */
  readonly authorizes: boolean;
  /** True where the peer proved its identity: the program is told who it is. */
  readonly mesh: boolean;
  /** True inside a tunnel of an explicit proxy. */
  readonly inner: boolean;
  readonly statPrefix: string;
  readonly accessLog: AccessLogInit[];
}

type Mutation = Init<typeof MutationSchema>;
type Manager = Init<typeof HttpConnectionManagerSchema>;

const remove = (name: string): Mutation => ({ action: { case: 'remove', value: name } });

const setTo = (key: string, value: string) => ({
  header: { key, value },
  appendAction: AppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
});

const set = (key: string, value: string): Mutation => ({ action: { case: 'append', value: setTo(key, value) } });

/** What callers from outside the mesh say of themselves is not believed. */
const UNTRUSTED = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-request-id'];

const edgeFields = (edge: boolean): Manager =>
  edge
    ? {
        useRemoteAddress: true,
        skipXffAppend: true,
        earlyHeaderMutationExtensions: [
          extension('envoy.http.early_header_mutation.header_mutation', EarlyMutationSchema, {
            mutations: UNTRUSTED.map(remove),
          }),
        ],
      }
    : { useRemoteAddress: false };

/** Envoy's own headers say nothing to programs; x-forwarded-host is not Envoy's habit, but ours. */
const headerFilter = (edge: boolean) =>
  configured('envoy.filters.http.header_mutation', HeaderMutationSchema, {
    mutations: {
      requestMutations: [
        ...['x-envoy-internal', 'x-envoy-external-address'].map(remove),
        // By itself Envoy names an address of its own machine where the caller is on it too.
        ...(edge
          ? [
              set('x-forwarded-for', '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'),
              set('x-forwarded-host', '%REQ(:AUTHORITY)%'),
            ]
          : []),
      ],
    },
  });

const localReply = (flag: string, text: string): Init<typeof ResponseMapperSchema> => ({
  filter: { filterSpecifier: { case: 'responseFlagFilter', value: { flags: [flag] } } },
  bodyFormatOverride: {
    format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: text } } },
    contentType: 'text/plain; charset=utf-8',
  },
});

/** In the own engine's words. */
export const NO_ROUTE = 'no route for this host and path';

/** No connection to the program: the caller's proxy may ask another endpoint. */
const UNSENT: Init<typeof ResponseMapperSchema> = {
  filter: { filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['UF'] } } },
  headersToAdd: [setTo(UNSENT_HEADER, 'true')],
};

const localReplies = (explicitProxy: boolean, mesh: boolean): Init<typeof LocalReplyConfigSchema> => ({
  mappers: [
    localReply(
      'NR',
      explicitProxy ? 'no service "%REQ(:AUTHORITY)%" in the mesh; add a Service or ServiceEntry\n' : `${NO_ROUTE}\n`,
    ),
    localReply('NC', 'the backend of this route is not valid\n'),
    timedOutCall(),
    ...(mesh ? [UNSENT] : []),
    ...settingReplies,
  ],
});

const filtersOf = ({ handler, table, authorizes, inner }: HttpOptions): NonNullable<Manager['httpFilters']> => [
  headerFilter(handler.edge),
  ...(authorizes ? httpRbac() : []),
  ...(handler.explicitProxy && !inner ? [tunnelClusterFilter()] : []),
  ...chainFilters(handler, table),
  webFilter(),
  configured('envoy.filters.http.router', RouterSchema, { suppressEnvoyHeaders: true }),
];

const MESH_PEERS: ForwardClientCert = { mode: 'sanitize-set', details: ['uri'] };
const NOBODY: ForwardClientCert = { mode: 'sanitize', details: [] };

const FORWARD_MODES: Readonly<Record<ForwardClientCert['mode'], ForwardCert>> = {
  sanitize: ForwardCert.SANITIZE,
  'forward-only': ForwardCert.FORWARD_ONLY,
  'append-forward': ForwardCert.APPEND_FORWARD,
  'sanitize-set': ForwardCert.SANITIZE_SET,
  'always-forward-only': ForwardCert.ALWAYS_FORWARD_ONLY,
};

const forwarding = ({ mode, details }: ForwardClientCert): Manager => ({
  forwardClientCertDetails: FORWARD_MODES[mode],
  ...((mode === 'append-forward' || mode === 'sanitize-set') && {
    setCurrentClientCertDetails: {
      cert: details.includes('cert'),
      chain: details.includes('chain'),
      subject: details.includes('subject'),
      uri: details.includes('uri'),
      dns: details.includes('dns'),
    },
  }),
});

export const httpManager = (options: HttpOptions) => {
  const { handler, routes, mesh, inner, statPrefix, accessLog } = options;
  const { explicitProxy, limits = {} } = handler;
  return configured('envoy.filters.network.http_connection_manager', HttpConnectionManagerSchema, {
    statPrefix,
    codecType: CodecType.AUTO,
    routeSpecifier: { case: 'rds', value: { routeConfigName: routes, configSource: fromAds() } },
    httpFilters: filtersOf(options),
    accessLog,
    ...edgeFields(handler.edge),
    // The id is the caller's or a random one, without a meaning inside.
    requestIdExtension: { typedConfig: pack(UuidRequestIdConfigSchema, { packTraceReason: false }) },
    ...forwarding(handler.clientCert ?? (mesh ? MESH_PEERS : NOBODY)),
    serverHeaderTransformation: ServerHeader.PASS_THROUGH,
    commonHttpProtocolOptions: {
      idleTimeout: duration(handler.idleTimeoutMs),
      ...(limits.maxRequestsPerConnection !== undefined && {
        maxRequestsPerConnection: limits.maxRequestsPerConnection,
      }),
      ...(limits.maxConnectionMs !== undefined && { maxConnectionDuration: duration(limits.maxConnectionMs) }),
    },
    ...(limits.requestTimeoutMs !== undefined && { requestTimeout: duration(limits.requestTimeoutMs) }),
    requestHeadersTimeout: duration(handler.headTimeoutMs),
    streamIdleTimeout: duration(limits.streamIdleTimeoutMs ?? 0),
    httpProtocolOptions: { acceptHttp10: true, enableTrailers: true },
    http2ProtocolOptions: {
      allowConnect: true,
      maxConcurrentStreams: 100,
      // A malformed request ends its own stream, not those of others beside it.
      overrideStreamErrorOnInvalidHttpMessage: true,
    },
    // The same spelling for policies, routes and upstream as the own engine makes: see policy/path.
    normalizePath: true,
    mergeSlashes: false,
    pathWithEscapedSlashesAction: EscapedSlashes.KEEP_UNCHANGED,
    upgradeConfigs: [{ upgradeType: 'websocket' }, ...(explicitProxy && !inner ? [{ upgradeType: 'CONNECT' }] : [])],
    localReplyConfig: localReplies(explicitProxy, mesh),
  });
};
