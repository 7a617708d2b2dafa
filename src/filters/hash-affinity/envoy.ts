// What of a request Envoy hashes, for clusters that choose by it. Named by registry.ts.
import type { RouteAction_HashPolicySchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import type { EnvoySetting } from '../envoy-filter.ts';
import { duration, type Init } from '../envoy-message.ts';
import type { HashPolicy } from './schema.ts';

const hashPolicy = (policy: HashPolicy): Init<typeof RouteAction_HashPolicySchema> => {
  switch (policy.type) {
    case 'source-ip':
      return { policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } } };
    case 'header':
      return { policySpecifier: { case: 'header', value: { headerName: policy.name } } };
    case 'query':
      return { policySpecifier: { case: 'queryParameter', value: { name: policy.name } } };
    case 'cookie': {
      const { name, ttlMs, attributes } = policy;
      const ttl = ttlMs === undefined ? {} : { ttl: duration(ttlMs) };
      return { policySpecifier: { case: 'cookie', value: { name, ...ttl, attributes: [...attributes] } } };
    }
  }
};

export const envoySetting: EnvoySetting = {
  route: ({ hash }) => (hash ? { action: { hashPolicy: hash.map(hashPolicy) } } : {}),
};
