// How a BackendTrafficPolicy has endpoints chosen and watched, and what can't be done of it. Used by backend-settings.ts.

import type { HashPolicy } from '../filters/hash-affinity/schema.ts';
import { BALANCING_ANNOTATION } from '../kinds/backend-traffic-policy/balancing.ts';
import type {
  ActiveCheckSpec,
  BackendTrafficPolicySpec,
  ConsistentHashSpec,
  HealthCheckSpec,
  LoadBalancerSpec,
  PayloadSpec,
} from '../kinds/backend-traffic-policy/types.ts';
import { parseDurationMs } from '../kinds/duration.ts';
import type { HealthCheck, HealthProbe, LoadBalancing, OutlierDetection } from '../model/balancing.ts';
import type { ClusterBalancing } from '../model/mesh.ts';
import type { Refused } from './backend-settings.ts';

export const BALANCING_FIELDS: readonly string[] = [
  'loadBalancer.type',
  'loadBalancer.consistentHash',
  'loadBalancer.slowStart.window',
  'loadBalancer.endpointOverride.extractFrom',
  'loadBalancer.zoneAware.weightedZones',
  'healthCheck.panicThreshold',
  ...[
    'type',
    'timeout',
    'interval',
    'initialJitter',
    'unhealthyThreshold',
    'healthyThreshold',
    'http',
    'tcp',
    'grpc',
  ].map((name) => `healthCheck.active.${name}`),
  ...[
    'splitExternalLocalOriginErrors',
    'interval',
    'consecutive5XxErrors',
    'consecutiveGatewayErrors',
    'consecutiveLocalOriginFailures',
    'baseEjectionTime',
    'maxEjectionPercent',
    'failurePercentageThreshold',
  ].map((name) => `healthCheck.passive.${name}`),
];

const BY_TYPE: Readonly<Record<string, LoadBalancing>> = {
  LeastRequest: 'least-request',
  RoundRobin: 'round-robin',
  Random: 'random',
  ConsistentHash: 'maglev',
};

interface Algorithm {
  readonly name: LoadBalancing;
  /** The type in whose place it stands. */
  readonly type: string;
}

const BY_ANNOTATION: Readonly<Record<string, Algorithm>> = {
  RingHash: { name: 'ring-hash', type: 'ConsistentHash' },
  PeakEWMA: { name: 'peak-ewma', type: 'LeastRequest' },
};

type Annotations = Readonly<Record<string, string>>;

const annotated = (type: string, annotations: Annotations): LoadBalancing | undefined => {
  const found = BY_ANNOTATION[annotations[BALANCING_ANNOTATION] ?? ''];
  return found?.type === type ? found.name : undefined;
};

export const balancingSettings = (
  { loadBalancer, healthCheck }: BackendTrafficPolicySpec,
  annotations: Annotations,
): ClusterBalancing => {
  const { active, passive, panicThreshold } = healthCheck ?? {};
  return {
    ...(loadBalancer && choiceOf(loadBalancer, annotations)),
    ...(passive && { outliers: outliersOf(passive) }),
    ...(active && { healthCheck: checksOf(active) }),
    ...(panicThreshold !== undefined && { panicThreshold }),
  };
};

const choiceOf = (
  { type, consistentHash, slowStart, zoneAware, endpointOverride }: LoadBalancerSpec,
  annotations: Annotations,
): ClusterBalancing => {
  const loadBalancing = annotated(type, annotations) ?? BY_TYPE[type];
  if (!loadBalancing) return {};
  const { tableSize } = consistentHash ?? {};
  // Envoy takes no weight of 0.
  const zones = (zoneAware?.weightedZones ?? []).flatMap(({ zone, weight }) => (weight > 0 ? [[zone, weight]] : []));
  const slowStartMs = parseDurationMs(slowStart?.window);
  const headers = (endpointOverride?.extractFrom ?? []).flatMap(({ header = '' }) =>
    HEADER_NAME.test(header) ? [header.toLowerCase()] : [],
  );
  return {
    loadBalancing,
    ...(tableSize !== undefined && isPrime(tableSize) && { tableSize }),
    ...(slowStartMs !== undefined && { slowStartMs }),
    ...(zones.length > 0 && { zoneWeights: Object.fromEntries(zones) }),
    ...(headers.length > 0 && { endpointHeaders: headers }),
  };
};

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/;

const isPrime = (value: number): boolean => {
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false;
  return value > 1;
};

/** Of a route; undefined where nothing is hashed. */
export const hashOf = ({ type, header, headers, queryParams, cookie }: ConsistentHashSpec): readonly HashPolicy[] => {
  const lower = (name: string) => name.toLowerCase();
  switch (type) {
    case 'Header':
      return header ? [{ type: 'header', name: lower(header.name) }] : [];
    case 'Headers':
      return (headers ?? []).map(({ name }) => ({ type: 'header', name: lower(name) }));
    case 'QueryParams':
      return (queryParams ?? []).map(({ name }) => ({ type: 'query', name }));
    case 'Cookie':
      return cookie ? [cookieHash(cookie)] : [];
    default:
      return [{ type: 'source-ip' }];
  }
};

const cookieHash = ({ name, ttl, attributes = {} }: NonNullable<ConsistentHashSpec['cookie']>): HashPolicy => {
  const ttlMs = parseDurationMs(ttl);
  return {
    type: 'cookie',
    name,
    ...(ttlMs !== undefined && { ttlMs }),
    attributes: Object.entries(attributes).map(([attribute, value]) => ({ name: attribute, value })),
  };
};

const outliersOf = (passive: NonNullable<HealthCheckSpec['passive']>): OutlierDetection => ({
  intervalMs: parseDurationMs(passive.interval) ?? 3000,
  baseEjectionMs: parseDurationMs(passive.baseEjectionTime) ?? 30_000,
  maxEjectionPercent: passive.maxEjectionPercent,
  consecutive5xx: passive.consecutive5XxErrors,
  consecutiveGateway: passive.consecutiveGatewayErrors,
  splitsLocal: passive.splitExternalLocalOriginErrors,
  consecutiveLocal: passive.consecutiveLocalOriginFailures,
  ...(passive.failurePercentageThreshold !== undefined && { failurePercent: passive.failurePercentageThreshold }),
});

const bytesOf = (payload: PayloadSpec | undefined): string | undefined =>
  payload && (payload.type === 'Text' ? Buffer.from(payload.text ?? '').toString('base64') : (payload.binary ?? ''));

const probeOf = ({ type, http, tcp, grpc }: ActiveCheckSpec): HealthProbe => {
  if (type === 'GRPC') return { type: 'grpc', service: grpc?.service ?? '' };
  if (type === 'TCP') {
    const [send, receive] = [bytesOf(tcp?.send), bytesOf(tcp?.receive)];
    return { type: 'tcp', ...(send && { send }), ...(receive && { receive }) };
  }
  const receive = bytesOf(http?.expectedResponse);
  return {
    type: 'http',
    path: http?.path ?? '/',
    method: http?.method ?? 'GET',
    ...(http?.hostname && { host: http.hostname.toLowerCase() }),
    statuses: http?.expectedStatuses ?? [200],
    ...(receive && { receive }),
  };
};

const checksOf = (active: ActiveCheckSpec): HealthCheck => {
  const jitterMs = parseDurationMs(active.initialJitter);
  return {
    probe: probeOf(active),
    intervalMs: parseDurationMs(active.interval) ?? 3000,
    timeoutMs: parseDurationMs(active.timeout) ?? 1000,
    ...(jitterMs && { jitterMs }),
    unhealthyThreshold: active.unhealthyThreshold,
    healthyThreshold: active.healthyThreshold,
  };
};

/** That an Envoy can send by itself. */
const PROBE_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']);

export const refusedBalancing = (
  { loadBalancer, healthCheck }: BackendTrafficPolicySpec,
  annotations: Annotations,
): Refused[] => {
  const found: Refused[] = [];
  const refuse = (path: string, what: string) => found.push({ path, what });
  const { type = '', consistentHash: { tableSize } = {} } = loadBalancer ?? {};
  if (loadBalancer && !BY_TYPE[type]) refuse('loadBalancer.type', type);
  if (tableSize !== undefined && !isPrime(tableSize)) {
    refuse('loadBalancer.consistentHash.tableSize', `${tableSize}, which is not a prime number,`);
  }
  const wanted = annotations[BALANCING_ANNOTATION];
  if (wanted !== undefined && !annotated(type, annotations)) {
    const fits = BY_ANNOTATION[wanted];
    const why = fits ? `without the type ${fits.type}` : `(others are ${Object.keys(BY_ANNOTATION).join(' and ')})`;
    refuse('loadBalancer.type', `the annotation ${BALANCING_ANNOTATION}: ${wanted} ${why}`);
  }
  loadBalancer?.zoneAware?.weightedZones?.forEach(({ weight }, i) => {
    if (weight === 0) refuse(`loadBalancer.zoneAware.weightedZones[${i}].weight`, 'a weight of 0');
  });
  loadBalancer?.endpointOverride?.extractFrom.forEach(({ header = '' }, i) => {
    if (!HEADER_NAME.test(header))
      refuse(`loadBalancer.endpointOverride.extractFrom[${i}].header`, `the header name "${header}"`);
  });
  const { method = 'GET' } = healthCheck?.active?.http ?? {};
  if (!PROBE_METHODS.has(method)) refuse('healthCheck.active.http.method', method);
  return found;
};
