// gateway.networking.k8s.io ListenerSet: further listeners for a Gateway, kept by another team or in another namespace.
import type { Condition } from '../../model/resource.ts';
import { listeners, listenersStatus } from '../gateway/listener.ts';
import type { ListenerSpec, ListenerStatus } from '../gateway/types.ts';
import type { Kind } from '../kind.ts';
import { GATEWAY_GROUP } from '../route-parts.ts';
import { conditionColumn, groupField, kindField, nameField, namespaceField, object, pendingStatus } from '../schema.ts';

export interface ListenerSetSpec {
  readonly parentRef: {
    readonly group: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
  };
  readonly listeners: readonly ListenerSpec[];
}

export interface ListenerSetStatus {
  readonly conditions?: readonly Condition[];
  readonly listeners?: readonly ListenerStatus[];
}

export const listenerSet: Kind = {
  group: GATEWAY_GROUP,
  version: 'v1',
  alsoServed: [],
  kind: 'ListenerSet',
  plural: 'listenersets',
  singular: 'listenerset',
  shortNames: ['lset'],
  namespaced: true,
  statusSubresource: true,
  schema: object('Further listeners for a Gateway.', {
    'spec!': object('What is wanted of it.', {
      'parentRef!': object('The Gateway, which must allow it in allowedListeners.', {
        group: groupField({ default: GATEWAY_GROUP }),
        kind: kindField({ default: 'Gateway' }),
        'name!': nameField('Name of the Gateway.'),
        namespace: namespaceField('Namespace of the Gateway; its own when unset.'),
      }),
      'listeners!': listeners(),
    }),
    status: pendingStatus(['Accepted', 'Programmed'], { listeners: listenersStatus }),
  }),
  columns: [
    { name: 'Accepted', type: 'string', value: conditionColumn('Accepted') },
    { name: 'Programmed', type: 'string', value: conditionColumn('Programmed') },
  ],
};
