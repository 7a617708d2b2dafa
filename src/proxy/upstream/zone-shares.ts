// Weights of endpoints where zones have weights: a zone's share is spread over its endpoints, and shrinks when too few of them
// are available, as Envoy's locality weights do. Used by balancer.ts.
import { type ZoneWeights, zoneWeight } from '../../model/balancing.ts';
import type { EndpointState } from './endpoint-state.ts';

const OVERPROVISIONING = 1.4;
/** Fine enough to be rounded. */
const SCALE = 10_000;

export const zoneOf = ({ endpoint }: EndpointState): string => endpoint.locality?.zone ?? '';

/** For each of `used`, which are some or all of `all`. Zones that are not named weigh 1. */
export const zoneShares = (
  used: readonly EndpointState[],
  all: readonly EndpointState[],
  zoneWeights: ZoneWeights,
): number[] => {
  const zones = new Map<string, { used: number; all: number; weight: number }>();
  for (const state of all) {
    const zone = zones.get(zoneOf(state));
    if (zone) zone.all++;
    else zones.set(zoneOf(state), { used: 0, all: 1, weight: 0 });
  }
  for (const state of used) {
    const zone = zones.get(zoneOf(state))!;
    zone.used++;
    zone.weight += state.weight;
  }
  return used.map((state) => {
    const zone = zones.get(zoneOf(state))!;
    const share = zoneWeight(zoneWeights, zoneOf(state)) * Math.min(1, (OVERPROVISIONING * zone.used) / zone.all);
    return (SCALE * share * state.weight) / zone.weight;
  });
};
