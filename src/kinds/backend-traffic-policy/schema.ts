// gateway.envoyproxy.io BackendTrafficPolicy: how gateways send what routes lead to backends.
import type { Kind } from '../kind.ts';
import { notYet, policyStatus, targetRefs } from '../policy-parts.ts';
import { flag, integer, intOrString, item, list, object, patterns, text } from '../schema.ts';
import { healthCheck, loadBalancer } from './balancing.ts';
import { compressionFields } from './compression.ts';
import { rateLimitSchema } from './rate-limit.ts';
import { RETRY_TRIGGERS } from './types.ts';
import { validateBackendTrafficPolicy } from './validate.ts';

const duration = (description: string) => text(description, { pattern: patterns.duration });

const count = (description: string) => integer(description, { format: 'int64', minimum: 0, maximum: 4_294_967_295 });

const retry = object("When requests are sent again. A route's own retry comes before it.", {
  numRetries: integer('Further attempts after the first; at most 10 are made.', {
    format: 'int32',
    minimum: 0,
    default: 2,
  }),
  retryOn: object(
    'What is tried again; when unset connect-failure, refused-stream, unavailable, cancelled, and the status 503.',
    {
      triggers: list(
        'Conditions. What was answered or cut off is sent again only for idempotent methods and calls of gRPC.',
        item({ enum: [...RETRY_TRIGGERS] }),
      ),
      httpStatusCodes: list('Statuses for the trigger retriable-status-codes.', {
        type: 'integer',
        minimum: 100,
        maximum: 599,
      }),
    },
  ),
  perRetry: object('Each attempt.', {
    timeout: duration('For one attempt.'),
    backOff: object('Pauses, which double.', {
      baseInterval: duration('The first; 25ms when unset.'),
      maxInterval: duration('The longest; ten times baseInterval when unset.'),
    }),
  }),
  numAttemptsPerPriority: integer('Attempts before the next priority; not supported yet.', { format: 'int32' }),
});

const circuitBreaker = object('Limits of what is under way.', {
  maxConnections: count('Connections to each endpoint.'),
  maxPendingRequests: count('Requests that wait for a connection.'),
  maxParallelRequests: count('Requests under way; not supported yet.'),
  maxParallelRetries: count('Retries under way; not supported yet.'),
  maxRequestsPerConnection: count('Requests of one connection; not supported yet.'),
  retryBudget: notYet('Retries as a share of the requests under way'),
  perEndpoint: object('For each endpoint.', {
    maxConnections: count('Connections to each endpoint; the smaller of both limits counts.'),
  }),
});

const timeout = object('How long backends may take.', {
  tcp: object('Of connections.', { connectTimeout: duration('To be made, TLS included; 5s when unset.') }),
  http: object('Of HTTP.', {
    requestTimeout: duration("For the whole answer, retries included; 0s: none. A route's own comes before it."),
    connectionIdleTimeout: duration('Between requests of a connection; 0s: as long as the backend keeps it.'),
    maxConnectionDuration: duration('The longest life of a connection; not supported yet.'),
    maxStreamDuration: duration('The longest life of a request; not supported yet.'),
    streamIdleTimeout: duration('For a request of which no byte moves; not supported yet.'),
  }),
});

const spec = object('What is wanted of it.', {
  ...targetRefs(
    'Gateway or route',
    'Gateways and routes',
    'One listener of the Gateway, or one rule of the route; all when unset.',
  ),
  loadBalancer,
  healthCheck,
  proxyProtocol: object('Connections to backends begin with a PROXY protocol header; not to workloads of the mesh.', {
    'version!': text('Its version.', { enum: ['V1', 'V2'] }),
  }),
  retry,
  circuitBreaker,
  timeout,
  requestBuffer: object('The largest request.', {
    'limit!': intOrString("Of a request's body, in bytes or with a unit (10Mi); 413 for a larger one."),
    mode: text(
      'BufferAndLimit (once FullBuffer); LimitOnly: so much of a body is kept for a retry, larger ones pass too.',
      {
        enum: ['BufferAndLimit', 'LimitOnly', 'FullBuffer'],
      },
    ),
  }),
  mergeType: text('Whether it is merged with the policy of the Gateway; not supported yet.', {
    enum: ['StrategicMerge', 'JSONMerge'],
  }),
  rateLimit: rateLimitSchema,
  bandwidthLimit: notYet('Limits of bytes'),
  faultInjection: notYet('Faults'),
  admissionControl: notYet('Refusals by the rate of success'),
  useClientProtocol: flag("Whether backends are asked by the client's version of HTTP; not supported yet."),
  ...compressionFields,
  responseOverride: list('Answers in place of others; not supported yet.', notYet('One answer')),
  httpUpgrade: list('Upgrades; not supported yet (WebSocket always is).', notYet('One protocol')),
  telemetry: notYet('Traces and counts'),
  routingType: text('Endpoint or Service; not supported yet.', { enum: ['Endpoint', 'Service'] }),
  tcpKeepalive: notYet('TCP keep-alive'),
  connection: notYet('Buffers of connections'),
  dns: notYet('How names are resolved'),
  http2: notYet('HTTP/2'),
});

export const backendTrafficPolicy: Kind = {
  group: 'gateway.envoyproxy.io',
  version: 'v1alpha1',
  alsoServed: [],
  kind: 'BackendTrafficPolicy',
  plural: 'backendtrafficpolicies',
  singular: 'backendtrafficpolicy',
  shortNames: ['btp'],
  namespaced: true,
  statusSubresource: true,
  schema: object('How gateways send what routes lead to backends.', { 'spec!': spec, status: policyStatus }),
  columns: [],
  validate: validateBackendTrafficPolicy,
};
