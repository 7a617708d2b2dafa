// The own engine's mirror: chance decides whether a request is sent to the other cluster too. Named by registry.ts.
import type { OwnFilter } from '../filter.ts';
import type { RequestMirror } from './schema.ts';

export const requestMirror: OwnFilter<RequestMirror> = {
  prepare: (filters, { random }) => ({
    taps: filters
      .filter(({ share }) => share > 0)
      .map(
        ({ cluster, share }) =>
          (_, aside) =>
            share >= 1 || random.next() < share ? aside(cluster) : undefined,
      ),
  }),
};
