// How endpoints are chosen and watched: the parts of a Cluster that say so.

export type LoadBalancing =
  /** The better of two by requests in work, for their weights. */
  | 'least-request'
  | 'round-robin'
  | 'random'
  /** By the hash of a request, on a ring or in Maglev's table; requests without a hash go anywhere. */
  | 'ring-hash'
  | 'maglev'
  /** The better of two by the time that answers took lately, peaks first, and requests in work. Envoy takes least-request. */
  | 'peak-ewma';

/** Endpoints whose answers are bad are left out for a while. Counts of 0 look at nothing. */
export interface OutlierDetection {
  readonly intervalMs: number;
  /** Times how often it was left out already, up to 300 s. */
  readonly baseEjectionMs: number;
  /** Of the endpoints; rounded down. */
  readonly maxEjectionPercent: number;
  /** Statuses from 500 on one after the other; what has no answer counts as 503 unless `splitsLocal`. */
  readonly consecutive5xx: number;
  /** As above: 502, 503 and 504. */
  readonly consecutiveGateway: number;
  /** Connections that fail, end or are silent are counted apart from answers. */
  readonly splitsLocal: boolean;
  readonly consecutiveLocal: number;
  /** Of an endpoint's requests in one interval, where it had 50 and there are 5 endpoints. */
  readonly failurePercent?: number;
}

/** By zone. */
export type ZoneWeights = Readonly<Record<string, number>>;

export const zoneWeight = (weights: ZoneWeights, zone = ''): number =>
  Object.hasOwn(weights, zone) ? weights[zone]! : 1;

export interface HealthCheck {
  readonly probe: HealthProbe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Up to so much is added to the first wait. */
  readonly jitterMs?: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
}

/** What does not answer well is asked at least so often, so that it is soon used again. */
export const RECOVERY_MS = 500;

/** Endpoints of a cluster that has had no request yet are asked less often. */
export const unusedIntervalMs = ({ intervalMs }: HealthCheck): number =>
  Math.max(intervalMs, Math.min(60_000, 10 * intervalMs));

export type HealthProbe =
  | {
      readonly type: 'http';
      readonly path: string;
      readonly method: string;
      /** Absent: the cluster's name. */
      readonly host?: string;
      readonly statuses: readonly number[];
      /** In base64: the body has it. */
      readonly receive?: string;
    }
  /** grpc.health.v1.Health/Check. */
  | { readonly type: 'grpc'; readonly service: string }
  /** In base64. Without: a connection is enough. */
  | { readonly type: 'tcp'; readonly send?: string; readonly receive?: string };
