// How global rate limits are counted: for `weft control`, and for gateways without a control plane.
import { Option } from 'commander';

export const rateLimitOptions = (): Option[] => [
  new Option('--rate-limit-redis URL', 'Count global rate limits in this Redis, not in memory.').env(
    'WEFT_RATE_LIMIT_REDIS',
  ),
  new Option('--rate-limit-fail-closed', 'Refuse requests whose global rate limit can not be asked for.'),
];
