// gateway.networking.k8s.io GatewayClass: says which controller serves a class of Gateways.
import type { Kind } from '../kind.ts';
import {
  conditionColumn,
  controllerName,
  groupField,
  keyed,
  kindField,
  nameField,
  namespaceField,
  object,
  pendingStatus,
  specOf,
  text,
} from '../schema.ts';

export const CONTROLLER_NAME = 'weft.dev/gateway-controller';

export interface GatewayClassSpec {
  readonly controllerName: string;
  readonly description?: string;
  readonly parametersRef?: {
    readonly group: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
  };
}

export const gatewayClass: Kind = {
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  alsoServed: ['v1beta1'],
  kind: 'GatewayClass',
  plural: 'gatewayclasses',
  singular: 'gatewayclass',
  shortNames: ['gc'],
  namespaced: false,
  statusSubresource: true,
  schema: object('Says which controller serves a class of Gateways.', {
    'spec!': object('What is wanted of it.', {
      'controllerName!': controllerName(`The controller; ${CONTROLLER_NAME} is Weft's own.`),
      description: text('What the class is for.', { maxLength: 64 }),
      parametersRef: object('Parameters of its Gateways that have none: an EnvoyProxy.', {
        'group!': groupField(),
        'kind!': kindField(),
        'name!': nameField(),
        namespace: namespaceField(),
      }),
    }),
    status: pendingStatus(['Accepted'], {
      supportedFeatures: keyed(
        'Features that the controller has.',
        ['name'],
        object('One feature.', { 'name!': text('Its name.') }),
        { maxItems: 64 },
      ),
    }),
  }),
  immutable: ['spec.controllerName'],
  columns: [
    {
      name: 'Controller',
      type: 'string',
      value: (resource) => specOf<GatewayClassSpec>(resource).controllerName ?? '',
    },
    { name: 'Accepted', type: 'string', value: conditionColumn('Accepted') },
    {
      name: 'Description',
      type: 'string',
      wide: true,
      value: (resource) => specOf<GatewayClassSpec>(resource).description ?? '',
    },
  ],
};
