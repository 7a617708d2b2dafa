// coordination.k8s.io/v1 Lease: which of several copies of a controller leads. Weft only keeps it, for controllers that ask.
import type { Kind } from '../kind.ts';
import { integer, object, specOf, text } from '../schema.ts';

interface LeaseSpec {
  readonly holderIdentity: string;
}

export const lease: Kind = {
  group: 'coordination.k8s.io',
  version: 'v1',
  alsoServed: [],
  kind: 'Lease',
  plural: 'leases',
  singular: 'lease',
  shortNames: [],
  namespaced: true,
  statusSubresource: false,
  schema: object('A claim that its holder renews while it lives.', {
    spec: object('The claim.', {
      holderIdentity: text('Who has it.'),
      leaseDurationSeconds: integer('After how long without renewal others may take it.', {
        format: 'int32',
        minimum: 1,
      }),
      acquireTime: text('When it was taken.', { format: 'date-time' }),
      renewTime: text('When it was last renewed.', { format: 'date-time' }),
      leaseTransitions: integer('How often it has changed hands.', { format: 'int32', minimum: 0 }),
      strategy: text('How the next holder is picked.'),
      preferredHolder: text('Who should have it next.'),
    }),
  }),
  columns: [{ name: 'Holder', type: 'string', value: (resource) => specOf<LeaseSpec>(resource).holderIdentity ?? '' }],
};
