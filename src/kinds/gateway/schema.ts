// gateway.networking.k8s.io Gateway: ports and host names on which traffic enters.

import type { Kind, Schema } from '../kind.ts';
import { GATEWAY_GROUP } from '../route-parts.ts';
import {
  conditionColumn,
  groupField,
  integer,
  item,
  keyed,
  kindField,
  labelSelector,
  list,
  map,
  nameField,
  namespaceField,
  object,
  patterns,
  pendingStatus,
  port,
  specOf,
  text,
} from '../schema.ts';
import { listeners, listenersStatus, secretRef } from './listener.ts';
import type { GatewaySpec, GatewayStatus } from './types.ts';
import {
  checkAddress,
  filtersNeedHttp,
  noNamespaceOfBundle,
  uniqueAddresses,
  validKeys,
  validRoutability,
} from './validate.ts';

const clientValidation: Schema = object('How client certificates are checked.', {
  validation: object('Against which roots.', {
    'caCertificateRefs!': list(
      'ConfigMaps or Secrets whose ca.crt holds the authorities.',
      object('One of them.', {
        'group!': groupField(),
        'kind!': kindField(),
        'name!': nameField(),
        namespace: namespaceField(),
      }),
      { minItems: 1, maxItems: 16, rules: [noNamespaceOfBundle] },
    ),
    mode: text('What happens to clients without a valid certificate.', {
      enum: ['AllowValidOnly', 'AllowInsecureFallback'],
      default: 'AllowValidOnly',
    }),
  }),
});

const address = ({ value, minLength }: { value: 'value' | 'value!'; minLength?: number }): Schema =>
  object(
    'One address.',
    {
      type: text('IPAddress, Hostname, or a type of the implementation.', {
        default: 'IPAddress',
        pattern: patterns.addressType,
        minLength: 1,
        maxLength: 253,
      }),
      [value]: text('The address.', { maxLength: 253, ...(minLength ? { minLength } : {}) }),
      routability: text('From where it is reached: everywhere when unset, or from the Cluster alone.', {
        maxLength: 253,
        rules: [validRoutability],
      }),
    },
    { rules: [checkAddress] },
  );

const spec = object('What is wanted of it.', {
  'gatewayClassName!': nameField('The GatewayClass; "weft" for Weft\'s own gateway.'),
  'listeners!': listeners([filtersNeedHttp]),
  addresses: list('Addresses to bind to; where the gateway runs when unset.', address({ value: 'value' }), {
    maxItems: 16,
    rules: [uniqueAddresses],
  }),
  infrastructure: object('For what is made to serve it.', {
    labels: map('Labels.', item({ pattern: patterns.labelValue, maxLength: 63 }), {
      maxProperties: 8,
      rules: [validKeys],
    }),
    annotations: map('Annotations.', item({ maxLength: 4096 }), { maxProperties: 16, rules: [validKeys] }),
    parametersRef: object('Parameters: an EnvoyProxy of its namespace.', {
      'group!': groupField(),
      'kind!': kindField(),
      'name!': nameField(),
    }),
  }),
  allowedListeners: object('Which ListenerSets may attach.', {
    namespaces: object(
      'Namespaces whose ListenerSets may attach.',
      {
        from: text('Same, All, Selector or None.', { enum: ['All', 'Selector', 'Same', 'None'], default: 'None' }),
        selector: labelSelector('Labels of the namespaces, for Selector.'),
      },
      { default: { from: 'None' } },
    ),
  }),
  defaultScope: text('Whether routes without a parent attach; not supported yet.', { enum: ['All', 'None'] }),
  tls: object('TLS for the whole Gateway.', {
    backend: object('For connections to backends.', { clientCertificateRef: secretRef }),
    frontend: object('For connections of clients to HTTPS listeners.', {
      'default!': clientValidation,
      perPort: keyed(
        'For single ports.',
        ['port'],
        object('One port.', { 'port!': port('The port.'), 'tls!': clientValidation }),
        { maxItems: 64 },
      ),
    }),
  }),
});

const status = pendingStatus(['Accepted', 'Programmed'], {
  attachedListenerSets: integer('How many ListenerSets are attached.', { format: 'int32' }),
  addresses: list('Addresses on which it is reached.', address({ value: 'value!', minLength: 1 }), { maxItems: 16 }),
  listeners: listenersStatus,
});

export const gateway: Kind = {
  group: GATEWAY_GROUP,
  version: 'v1',
  alsoServed: ['v1beta1'],
  kind: 'Gateway',
  plural: 'gateways',
  singular: 'gateway',
  shortNames: ['gtw'],
  namespaced: true,
  statusSubresource: true,
  schema: object('Ports and host names on which traffic enters.', { 'spec!': spec, status }),
  columns: [
    { name: 'Class', type: 'string', value: (resource) => specOf<GatewaySpec>(resource).gatewayClassName ?? '' },
    {
      name: 'Address',
      type: 'string',
      value: (resource) =>
        ((resource.status ?? {}) as GatewayStatus).addresses?.map(({ value }) => value).join(',') ?? '',
    },
    { name: 'Programmed', type: 'string', value: conditionColumn('Programmed') },
  ],
};
