// Limits of sizes in Envoy: filters that hold a body until it is whole, for requests and for answers. Named by registry.ts.
import type { Any } from '@bufbuild/protobuf/wkt';
import { FilterConfigSchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { ExpressionFilterSchema } from '../../gen/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js';
import { BufferPerRouteSchema, BufferSchema } from '../../gen/envoy/extensions/filters/http/buffer/v3/buffer_pb.js';
import { FileSystemBufferFilterConfigSchema } from '../../gen/envoy/extensions/filters/http/file_system_buffer/v3/file_system_buffer_pb.js';
import type { RouteTable } from '../../model/snapshot.ts';
import type { EnvoySetting } from '../envoy-filter.ts';
import { configured, pack } from '../envoy-message.ts';

const REQUESTS = 'envoy.filters.http.buffer';
/** It could use files too, but is given none. */
const RESPONSES = 'envoy.filters.http.file_system_buffer';

const bypass = { behavior: { behavior: { case: 'bypass', value: {} } } } as const;

/** Envoy counts no further. */
const bounded = (bytes: number): number => Math.min(bytes, 0xffffffff);

/** For the route that says so. */
const enabled = (config: Any): Any => pack(FilterConfigSchema, { config });

const requestsUpTo = (maxRequestBytes: number): Any =>
  pack(BufferPerRouteSchema, { override: { case: 'buffer', value: { maxRequestBytes } } });

const responsesUpTo = (maxBytes: number): Any =>
  pack(FileSystemBufferFilterConfigSchema, {
    // It wants a thread for files, whether there are any or not; all routes share one.
    managerConfig: { managerType: { case: 'threadPool', value: { threadCount: 1 } } },
    request: bypass,
    response: {
      behavior: { behavior: { case: 'fullyBuffer', value: {} } },
      memoryBufferBytesLimit: BigInt(maxBytes),
      storageBufferBytesLimit: 0n,
    },
  });

const OFF: Readonly<Record<string, Any>> = {
  [REQUESTS]: pack(BufferPerRouteSchema, { override: { case: 'disabled', value: true } }),
  [RESPONSES]: pack(FileSystemBufferFilterConfigSchema, { request: bypass, response: bypass }),
};

const limitsResponses = ({ virtualHosts }: RouteTable): boolean =>
  virtualHosts.some(({ routes }) =>
    routes.some(({ action }) => action.type === 'forward' && action.maxResponseBytes !== undefined),
  );

export const envoySetting: EnvoySetting = {
  // Envoy warns of the filter for answers wherever it stands, as its settings may still change.
  chainKey: (table) => (limitsResponses(table) ? 'limits responses' : ''),
  /** Without a limit they are for routes that have one. */
  httpFilter({ limits }, table) {
    const maxBytes = limits?.maxRequestBytes;
    const requests = configured(REQUESTS, BufferSchema, { maxRequestBytes: bounded(maxBytes ?? 1) });
    const responses = configured(RESPONSES, FileSystemBufferFilterConfigSchema, { request: bypass, response: bypass });
    return [
      { ...requests, ...(maxBytes === undefined && { disabled: true }) },
      ...(table && limitsResponses(table) ? [{ ...responses, disabled: true }] : []),
    ];
  },
  off: (name) => OFF[name],
  replies: [
    {
      filter: {
        filterSpecifier: {
          case: 'extensionFilter',
          value: configured('envoy.access_loggers.extension_filters.cel', ExpressionFilterSchema, {
            // An answer of Envoy's own that says nothing of its reason.
            expression: "response.code == 500 && response.code_details == ''",
          }),
        },
      },
      statusCode: 502,
      body: { specifier: { case: 'inlineString', value: 'the answer of the upstream is too large\n' } },
    },
  ],
  route: ({ maxRequestBytes, maxResponseBytes, keptRequestBytes }) => ({
    ...(keptRequestBytes !== undefined && { route: { perRequestBufferLimitBytes: bounded(keptRequestBytes) } }),
    perFilter: {
      ...(maxRequestBytes !== undefined && { [REQUESTS]: enabled(requestsUpTo(bounded(maxRequestBytes))) }),
      ...(maxResponseBytes !== undefined && { [RESPONSES]: enabled(responsesUpTo(bounded(maxResponseBytes))) }),
    },
  }),
};
