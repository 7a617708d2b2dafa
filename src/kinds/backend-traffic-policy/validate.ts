// The rules for a BackendTrafficPolicy that its schema can't say; the published API has some of them as CEL.
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import { parseDurationMs } from '../duration.ts';
import { checkTargets } from '../policy-parts.ts';
import { parseQuantity } from '../quantity.ts';
import { type Check, gather } from '../route-parts.ts';
import { specOf } from '../schema.ts';
import { checkBalancing } from './balancing.ts';
import { checkCompression } from './compression.ts';
import { checkRateLimit } from './rate-limit.ts';
import type { BackendTrafficPolicySpec } from './types.ts';

const TARGETS = ['Gateway', 'HTTPRoute', 'GRPCRoute', 'UDPRoute', 'TCPRoute', 'TLSRoute'];

// What Envoy can hold.
const MAX_BUFFER_BYTES = 2 ** 32 - 1;

export const validateBackendTrafficPolicy = (resource: Resource): Problem[] =>
  gather(resource, (check) => {
    const spec = specOf<BackendTrafficPolicySpec>(resource);
    checkTargets(spec, TARGETS, check);
    checkTimes(spec, check);
    checkBalancing(spec, check);
    if (spec.rateLimit) checkRateLimit(spec.rateLimit, check);
    checkCompression(spec.compressor ?? [], 'spec.compressor', check);
    checkCompression(spec.compression ?? [], 'spec.compression', check);
    if (spec.requestBuffer) checkBuffer(spec.requestBuffer, check);
  });

const checkTimes = ({ timeout, retry }: Partial<BackendTrafficPolicySpec>, check: Check): void => {
  const longer = (path: string, text: string | undefined) => {
    if (parseDurationMs(text) === 0) check(path, 'must be longer than 0s');
  };
  longer('spec.timeout.tcp.connectTimeout', timeout?.tcp?.connectTimeout);
  const { baseInterval, maxInterval } = retry?.perRetry?.backOff ?? {};
  longer('spec.retry.perRetry.backOff.baseInterval', baseInterval);
  if (maxInterval === undefined) return;
  if (baseInterval === undefined) check('spec.retry.perRetry.backOff.baseInterval', 'must be given with maxInterval');
  else if ((parseDurationMs(maxInterval) ?? 0) < (parseDurationMs(baseInterval) ?? 0)) {
    check('spec.retry.perRetry.backOff.maxInterval', 'must be greater than or equal to baseInterval');
  }
};

const checkBuffer = ({ limit }: NonNullable<BackendTrafficPolicySpec['requestBuffer']>, check: Check): void => {
  const bytes = parseQuantity(limit);
  if (bytes === undefined) check('spec.requestBuffer.limit', 'must be a number of bytes such as 1048576 or 1Mi');
  else if (bytes > MAX_BUFFER_BYTES) check('spec.requestBuffer.limit', `must be ${MAX_BUFFER_BYTES} bytes or fewer`);
};
