// The fields of a BackendTrafficPolicy that say how endpoints are chosen and watched. Used by schema.ts and validate.ts.
import { parseDurationMs } from '../duration.ts';
import { notYet } from '../policy-parts.ts';
import type { Check } from '../route-parts.ts';
import { flag, integer, item, list, map, object, patterns, text } from '../schema.ts';
import type { BackendTrafficPolicySpec, HealthCheckSpec, LoadBalancerSpec, PayloadSpec } from './types.ts';

/** On a policy: a way of choosing that the published fields don't name. `RingHash` in place of Maglev, `PeakEWMA` in place of LeastRequest. */
export const BALANCING_ANNOTATION = 'weft.dev/load-balancing';

const duration = (description: string, limits = {}) => text(description, { pattern: patterns.duration, ...limits });
const count = (description: string, limits = {}) => integer(description, { format: 'int32', minimum: 0, ...limits });
const named = (description: string) => object(description, { 'name!': text('Its name.', { minLength: 1 }) });

export const loadBalancer = object('Which endpoint is chosen.', {
  'type!': text('ConsistentHash, LeastRequest, Random or RoundRobin; BackendUtilization is not supported.', {
    enum: ['ConsistentHash', 'LeastRequest', 'Random', 'RoundRobin', 'BackendUtilization'],
  }),
  consistentHash: object('What of a request says where it goes, by a table of Maglev.', {
    'type!': text('SourceIP, Header, Headers, Cookie or QueryParams.', {
      enum: ['SourceIP', 'Header', 'Headers', 'Cookie', 'QueryParams'],
    }),
    header: named('With Header: the one.'),
    headers: list('With Headers: all that a request has of these.', named('One.')),
    queryParams: list('With QueryParams: all that a request has of these.', named('One.')),
    cookie: object('With Cookie: the one.', {
      'name!': text('Its name.'),
      ttl: duration('A client without the cookie is given one that lives so long; 0s: until it closes.'),
      attributes: map('Of the cookie that is given.', item()),
    }),
    tableSize: integer("Of Maglev's table; a prime number.", {
      format: 'int64',
      minimum: 2,
      maximum: 5_000_011,
      default: 65_537,
    }),
  }),
  slowStart: object('With LeastRequest and RoundRobin: new endpoints get less at first.', {
    'window!': duration('For so long.'),
  }),
  backendUtilization: notYet('Weights by load'),
  endpointOverride: object('Requests may name their endpoints.', {
    'extractFrom!': list(
      'Where they are named; the first that is there counts.',
      object('One.', {
        header: text('A header with `address:port`, or several with commas, the best first.'),
      }),
      { minItems: 1, maxItems: 10 },
    ),
  }),
  zoneAware: object('Shares of zones.', {
    preferLocal: notYet('The own zone first; a proxy that knows its own prefers it without this'),
    weightedZones: list(
      'Weights of zones; 1 for one that is not named.',
      object('One zone.', {
        'zone!': text('Its name.'),
        'weight!': integer('Its weight.', { format: 'int32', minimum: 0 }),
      }),
    ),
  }),
});

const payload = (description: string) =>
  object(description, {
    'type!': text('Text or Binary.', { enum: ['Text', 'Binary'] }),
    text: text('As it is.'),
    binary: text('In base64.', { format: 'byte' }),
  });

const active = object('Questions to endpoints.', {
  'type!': text('HTTP, TCP or GRPC.', { enum: ['HTTP', 'TCP', 'GRPC'] }),
  timeout: duration('For the answer.', { default: '1s' }),
  interval: duration('From one to the next; where there is no answer at most 500ms.', { default: '3s' }),
  initialJitter: duration('The first one is late by up to so much.'),
  unhealthyThreshold: integer('Without an answer, one after the other; a wrong answer counts at once.', {
    format: 'int32',
    minimum: 1,
    default: 3,
  }),
  healthyThreshold: integer('Good ones, one after the other; of a new endpoint one.', {
    format: 'int32',
    minimum: 1,
    default: 1,
  }),
  http: object('A request.', {
    'path!': text('Its path.', { minLength: 1, maxLength: 1024 }),
    method: text('Its method; GET when unset.'),
    hostname: text('Its host; the name of the Service when unset.', { minLength: 1, maxLength: 253 }),
    expectedStatuses: list('Good ones; 200 when unset.', { type: 'integer', minimum: 100, maximum: 599 }),
    expectedResponse: payload("Stands in the answer's body."),
  }),
  tcp: object('A connection.', {
    send: payload('Is sent.'),
    receive: payload('Stands in what comes back.'),
  }),
  grpc: object("gRPC's health protocol.", {
    service: text('The service that is asked for; the whole server when unset.'),
  }),
  overrides: notYet('Other ports'),
});

const passive = object('What answers say: endpoints that are bad are left out for a while.', {
  splitExternalLocalOriginErrors: flag('Connections that fail are counted apart.', { default: false }),
  interval: duration('Between comparisons.', { default: '3s' }),
  consecutive5XxErrors: count('Statuses from 500 on, one after the other; 0: none.', { default: 5 }),
  consecutiveGatewayErrors: count('Of 502, 503 and 504; 0: none.', { default: 0 }),
  consecutiveLocalOriginFailures: count('Connections that fail, where they are counted apart.', { default: 5 }),
  baseEjectionTime: duration('Times how often it was left out already.', { default: '30s' }),
  maxEjectionPercent: count('Of the endpoints are left out at most.', { maximum: 100, default: 10 }),
  failurePercentageThreshold: count('Bad answers of an interval, in percent, where an endpoint had 50 requests.', {
    maximum: 100,
  }),
  alwaysEjectOneEndpoint: flag('One is left out whatever the percentage says; not supported yet.'),
});

export const healthCheck = object('How it is told whether endpoints are well.', {
  active,
  passive,
  panicThreshold: count(
    'With fewer good endpoints, in percent, all are used; 0: never; when unset only where there is none.',
    {
      maximum: 100,
    },
  ),
});

/** The published rules in CEL, and what Envoy would refuse. */
export const checkBalancing = (
  { loadBalancer: balancer, healthCheck: health }: Partial<BackendTrafficPolicySpec>,
  check: Check,
): void => {
  if (balancer) checkBalancer(balancer, check);
  if (health) checkHealth(health, check);
};

/** Each of `fields` is there for its type, and for no other. */
const checkUnion = (
  path: string,
  type: string,
  given: object,
  fields: Readonly<Record<string, string>>,
  check: Check,
): void => {
  for (const [name, its] of Object.entries(fields)) {
    const isGiven = (given as Record<string, unknown>)[name] !== undefined;
    if (isGiven !== (type === its)) check(`${path}.${name}`, `must be set with type ${its}, and with no other`);
  }
};

const checkBalancer = (spec: LoadBalancerSpec, check: Check): void => {
  const path = 'spec.loadBalancer';
  const { type, consistentHash, slowStart } = spec;
  checkUnion(path, type, spec, { consistentHash: 'ConsistentHash' }, check);
  if (slowStart && type !== 'RoundRobin' && type !== 'LeastRequest') {
    check(`${path}.slowStart`, 'is only supported for RoundRobin and LeastRequest load balancers');
  }
  if (slowStart && parseDurationMs(slowStart.window) === 0) check(`${path}.slowStart.window`, 'must be longer than 0s');
  if (spec.zoneAware && type === 'ConsistentHash') {
    check(`${path}.zoneAware`, 'is only supported for LeastRequest, Random and RoundRobin load balancers');
  }
  const zones = spec.zoneAware?.weightedZones?.map(({ zone }) => zone) ?? [];
  if (new Set(zones).size < zones.length) check(`${path}.zoneAware.weightedZones`, 'must not name a zone twice');
  if (!consistentHash) return;
  const fields = { header: 'Header', headers: 'Headers', cookie: 'Cookie', queryParams: 'QueryParams' };
  checkUnion(`${path}.consistentHash`, consistentHash.type, consistentHash, fields, check);
};

const checkHealth = ({ active: asks, passive: watches }: HealthCheckSpec, check: Check): void => {
  const longer = (path: string, value: string | undefined) => {
    if (parseDurationMs(value) === 0) check(`spec.healthCheck.${path}`, 'must be longer than 0s');
  };
  longer('passive.interval', watches?.interval);
  longer('passive.baseEjectionTime', watches?.baseEjectionTime);
  if (!asks) return;
  longer('active.interval', asks.interval);
  longer('active.timeout', asks.timeout);
  const path = 'spec.healthCheck.active';
  const { type, http, tcp, grpc } = asks;
  checkUnion(path, type, asks, { http: 'HTTP', tcp: 'TCP' }, check);
  if (grpc && type !== 'GRPC') check(`${path}.grpc`, 'must be set with type GRPC, and with no other');
  checkPayload(`${path}.http.expectedResponse`, http?.expectedResponse, check);
  checkPayload(`${path}.tcp.send`, tcp?.send, check);
  checkPayload(`${path}.tcp.receive`, tcp?.receive, check);
};

const checkPayload = (path: string, spec: PayloadSpec | undefined, check: Check): void => {
  if (spec) checkUnion(path, spec.type, spec, { text: 'Text', binary: 'Binary' }, check);
};
