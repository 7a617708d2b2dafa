// A global rule as both engines ask the server about it: its entries say the limit too. Used by proxy.ts and envoy.ts.
import { COST_KEY, LIMIT_KEY, type RateLimitRule, WANTED_BLOCK_KEY } from '../../model/rate-limit.ts';
import { blockOf } from '../local-rate-limit/conditions.ts';

export const globalRule = (rule: RateLimitRule): RateLimitRule => {
  const { requests, unit, shadow, cost, conditions } = rule;
  const block = conditions.find((condition) => condition.type === 'address');
  return {
    ...rule,
    more: [
      [LIMIT_KEY, `${requests}/${unit}${shadow ? '/shadow' : ''}`],
      ...(cost === undefined ? [] : [[COST_KEY, `${cost}`] as const]),
      // Envoy says any address with this length; only this block counts.
      ...(block ? [[WANTED_BLOCK_KEY, blockOf(block.cidr).text] as const] : []),
    ],
  };
};
