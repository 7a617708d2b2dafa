// gateway.networking.k8s.io Gateway: ports and host names on which traffic enters.

import { externalAuth } from '../http-route/filter-schema.ts';
import type { Kind, Schema } from '../kind.ts';
import {
  conditionColumn,
  conditions,
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
  port,
  sectionName,
  specOf,
  text,
} from '../schema.ts';
import type { GatewaySpec, GatewayStatus } from './types.ts';
import { validateGateway } from './validate.ts';

const GATEWAY_GROUP = 'gateway.networking.k8s.io';

const secretRef = object('A Secret of type kubernetes.io/tls.', {
  group: groupField({ default: '' }),
  kind: kindField({ default: 'Secret' }),
  'name!': nameField(),
  namespace: namespaceField('Namespace of the Secret; another one needs a ReferenceGrant there.'),
});

const routeKind = object('A kind of route.', {
  group: groupField({ default: GATEWAY_GROUP }),
  'kind!': kindField(),
});

const allowedRoutes = object(
  'Which routes may attach.',
  {
    kinds: list('Kinds of routes; those that fit the protocol when unset.', routeKind, { maxItems: 8 }),
    namespaces: object(
      'Namespaces whose routes may attach.',
      {
        from: text('Same: its own; All: every one; Selector: those that the selector names.', {
          enum: ['All', 'Selector', 'Same'],
          default: 'Same',
        }),
        selector: labelSelector('Labels of the namespaces, for Selector.'),
      },
      { default: { from: 'Same' } },
    ),
  },
  { default: { namespaces: { from: 'Same' } } },
);

const listener = object('One port and host name.', {
  'name!': sectionName('Name of the listener, unique in the Gateway.'),
  hostname: text('Host name that it serves, exact or *.suffix; any when unset.', {
    pattern: patterns.hostname,
    minLength: 1,
    maxLength: 253,
  }),
  'port!': port('The port that it listens on.'),
  'protocol!': text('HTTP, HTTPS, TLS, TCP or UDP.', {
    pattern:
      '^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9]+$',
    minLength: 1,
    maxLength: 255,
  }),
  tls: object('How TLS is ended.', {
    mode: text('Terminate: here; Passthrough: at the backend, for protocol TLS.', {
      enum: ['Terminate', 'Passthrough'],
      default: 'Terminate',
    }),
    certificateRefs: list('Certificates; the first that fits the server name is shown.', secretRef, { maxItems: 64 }),
    options: map('Options of the implementation; none are known.', item({ maxLength: 4096 }), { maxProperties: 16 }),
  }),
  filters: object('What is done to every request before routes are looked at; not supported yet.', {
    requests: list(
      'The filters, in this order.',
      object('One filter.', {
        'type!': text('What it does.', { enum: ['ExternalAuth', 'ExtensionRef'] }),
        externalAuth,
        extensionRef: object('A filter of an implementation.', {
          'group!': groupField(),
          'kind!': kindField(),
          'name!': nameField(),
        }),
      }),
      { maxItems: 16 },
    ),
  }),
  allowedRoutes,
});

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
      { minItems: 1, maxItems: 16 },
    ),
    mode: text('What happens to clients without a valid certificate.', {
      enum: ['AllowValidOnly', 'AllowInsecureFallback'],
      default: 'AllowValidOnly',
    }),
  }),
});

const spec = object('What is wanted of it.', {
  'gatewayClassName!': nameField('The GatewayClass; "weft" for Weft\'s own gateway.'),
  'listeners!': keyed('The ports and host names.', ['name'], listener, { minItems: 1, maxItems: 64 }),
  addresses: list(
    'Addresses to bind to; where the gateway runs when unset.',
    object('One address.', {
      type: text('IPAddress; others are not supported.', { default: 'IPAddress', minLength: 1, maxLength: 253 }),
      value: text('The address.', { maxLength: 253 }),
      routability: text('From where it is reached; not used.', { maxLength: 253 }),
    }),
    { maxItems: 16 },
  ),
  infrastructure: object('For what is made to serve it.', {
    labels: map('Labels.', item({ maxLength: 63 }), { maxProperties: 8 }),
    annotations: map('Annotations.', item({ maxLength: 4096 }), { maxProperties: 16 }),
    parametersRef: object('Parameters; not supported.', {
      'group!': groupField(),
      'kind!': kindField(),
      'name!': nameField(),
    }),
  }),
  allowedListeners: object('Which ListenerSets may attach; not supported yet.', {
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
    backend: object('For connections to backends; not supported yet.', { clientCertificateRef: secretRef }),
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

const status = object('Its state.', {
  attachedListenerSets: integer('How many ListenerSets are attached.', { format: 'int32' }),
  addresses: list(
    'Addresses on which it is reached.',
    object('One address.', {
      type: text('IPAddress or Hostname.', { default: 'IPAddress' }),
      'value!': text('The address.'),
    }),
    { maxItems: 16 },
  ),
  conditions: conditions(),
  listeners: keyed(
    'The state of each listener.',
    ['name'],
    object('One listener.', {
      'name!': text('Its name.'),
      'supportedKinds!': list('Kinds of routes that it takes.', routeKind, { maxItems: 8 }),
      'attachedRoutes!': integer('How many routes are attached.', { format: 'int32' }),
      'conditions!': conditions(),
    }),
    { maxItems: 64 },
  ),
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
  validate: validateGateway,
};
