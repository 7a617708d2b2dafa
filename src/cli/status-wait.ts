// After a write: waits a moment for the control plane's word on the resources, and says what it did not accept.
import type { Client } from '../client/client.ts';
import type { Kind } from '../kinds/kind.ts';
import { type Clock, pause } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Resource } from '../model/resource.ts';
import { conditionsOf, conditionText, isBad, isStale, type PlacedCondition } from './conditions.ts';

export interface WrittenResource {
  readonly kind: Kind;
  readonly resource: Resource;
}

// The kinds on which the control plane always has a word.
const WITH_STATUS = new Set([
  'GatewayClass',
  'Gateway',
  'ListenerSet',
  'HTTPRoute',
  'GRPCRoute',
  'TLSRoute',
  'TCPRoute',
  'UDPRoute',
  'BackendTLSPolicy',
  'ClientTrafficPolicy',
  'BackendTrafficPolicy',
  'XBackendTrafficPolicy',
  'ServiceEntry',
  'AuthorizationPolicy',
  'PeerAuthentication',
]);
const PATIENCE_MS = 1500;
const FIRST_PAUSE_MS = 15;

const isSettled = (resource: Resource): boolean => {
  const conditions = conditionsOf(resource);
  if (conditions.length === 0) return false;
  return !conditions.some((one) => isStale(resource, one) || isPending(one));
};

/** Nobody has looked at it yet, or what is missing may come at any moment. */
const isPending = ({ condition }: PlacedCondition): boolean =>
  condition.reason === 'Pending' && condition.status !== 'True';

const isUntouched = ({ condition }: PlacedCondition): boolean =>
  condition.reason === 'Pending' && condition.status === 'Unknown';

// Istio's kinds have nothing to say in a condition that is True, unless a part of the resource does not count.
const hasRemark = (kind: Kind, { condition }: PlacedCondition): boolean =>
  kind.group.endsWith('.istio.io') && kind.kind !== 'WorkloadEntry' && condition.message !== '';

/** What people should know of a resource's state, one line each; none when all is well. */
export const statusWarnings = ({ kind, resource }: WrittenResource): string[] => {
  const conditions = conditionsOf(resource);
  if (conditions.every(isUntouched)) {
    return WITH_STATUS.has(kind.kind) ? ['has no status yet; "weft describe" shows it later'] : [];
  }
  return conditions.filter((one) => (isBad(one) || hasRemark(kind, one)) && !isStale(resource, one)).map(conditionText);
};

/** The resources with their newest status; gives up waiting after a second or so. */
export const awaitStatus = async (
  client: Client,
  written: readonly WrittenResource[],
  clock: Clock,
): Promise<WrittenResource[]> => {
  const newest = written.map(({ kind, resource }) => ({ kind, resource }));
  const began = clock.monotonic();
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    const waited = clock.monotonic() - began;
    const open = newest.filter(({ kind, resource }) => {
      return WITH_STATUS.has(kind.kind) && waited < PATIENCE_MS && !isSettled(resource);
    });
    if (open.length === 0) return newest;
    await pause(clock, pauseMs);
    pauseMs = Math.min(pauseMs * 2, 200);
    for (const one of open) {
      const { name, namespace } = one.resource.metadata;
      try {
        one.resource = await client.get(one.kind, name, { namespace });
      } catch (error) {
        // Deleted by someone else meanwhile: nothing more to say about it.
        if (!isWeftError(error, 'API_NOT_FOUND')) throw error;
        newest.splice(newest.indexOf(one), 1);
      }
    }
  }
};
