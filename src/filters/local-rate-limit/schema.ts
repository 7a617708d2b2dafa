// Limits of rates that each proxy counts for itself, as a route has them.
import type { RateLimitRule } from '../../model/rate-limit.ts';

declare module '../../model/route.ts' {
  interface RouteFilterTypes {
    readonly 'local-rate-limit': LocalRateLimit;
  }
}

export interface LocalRateLimit {
  readonly type: 'local-rate-limit';
  readonly rules: readonly RateLimitRule[];
}
