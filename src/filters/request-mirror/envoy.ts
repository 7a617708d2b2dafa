// Mirrors in Envoy's terms. Named by registry.ts.
import { FractionalPercent_DenominatorType } from '../../gen/envoy/type/v3/percent_pb.js';
import type { EnvoyFilter } from '../envoy-filter.ts';
import type { RequestMirror } from './schema.ts';

const MILLION = 1_000_000;

export const envoyFilter: EnvoyFilter<RequestMirror> = {
  route: (filters) => ({
    action: {
      requestMirrorPolicies: filters.map(({ cluster, share }) => ({
        cluster,
        runtimeFraction: {
          defaultValue: {
            numerator: Math.round(share * MILLION),
            denominator: FractionalPercent_DenominatorType.MILLION,
          },
        },
        // The other program is to see what the first one sees.
        disableShadowHostSuffixAppend: true,
      })),
    },
  }),
};
