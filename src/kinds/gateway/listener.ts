// What a Gateway and a ListenerSet have in common: the schema and rules of listeners, and of their status. Used by both schema.ts.
import { externalAuth } from '../http-route/filter-schema.ts';
import type { Refuse, Rule, Schema } from '../kind.ts';
import { GATEWAY_GROUP, settingsMatchType } from '../route-parts.ts';
import {
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
  text,
} from '../schema.ts';
import type { ListenerSpec } from './types.ts';

export const secretRef = object('A Secret of type kubernetes.io/tls.', {
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

const needsCertificate: Rule<NonNullable<ListenerSpec['tls']>> = ({ mode, certificateRefs, options }, refuse) => {
  if (mode === 'Terminate' && !certificateRefs?.length && !Object.keys(options ?? {}).length) {
    refuse('.certificateRefs', 'certificateRefs are required when mode is Terminate');
  }
};

const tls = object(
  'How TLS is ended.',
  {
    mode: text('Terminate: here; Passthrough: at the backend, for protocol TLS.', {
      enum: ['Terminate', 'Passthrough'],
      default: 'Terminate',
    }),
    certificateRefs: list('Certificates; the first that fits the server name is shown.', secretRef, { maxItems: 64 }),
    options: map('Options of the implementation; none are known.', item({ maxLength: 4096 }), { maxProperties: 16 }),
  },
  { rules: [needsCertificate] },
);

const requestFilter = object(
  'One filter.',
  {
    'type!': text('What it does.', { enum: ['ExternalAuth', 'ExtensionRef'] }),
    externalAuth,
    extensionRef: object('A filter of an implementation.', {
      'group!': groupField(),
      'kind!': kindField(),
      'name!': nameField(),
    }),
  },
  { rules: [settingsMatchType({ ExternalAuth: 'externalAuth', ExtensionRef: 'extensionRef' })] },
);

const listenerFields: Record<string, Schema> = {
  'name!': sectionName('Name of the listener, unique in its list.'),
  hostname: text('Host name that it serves, exact or *.suffix; any when unset.', {
    pattern: patterns.hostname,
    minLength: 1,
    maxLength: 253,
  }),
  'port!': port('The port that it listens on.'),
  'protocol!': text('HTTP, HTTPS, TLS, TCP or UDP.', { pattern: patterns.protocol, minLength: 1, maxLength: 255 }),
  tls,
  filters: object('What is done to every request before routes are looked at.', {
    requests: list('The filters, in this order.', requestFilter, { maxItems: 16 }),
  }),
  allowedRoutes,
};

const fitsProtocol = ({ protocol, tls, hostname }: ListenerSpec, path: string, refuse: Refuse): void => {
  if (tls && ['HTTP', 'TCP', 'UDP'].includes(protocol)) {
    refuse(`${path}.tls`, `must not be set for protocol ${protocol}`, 'use protocol: HTTPS or TLS');
  }
  if (protocol === 'HTTPS' && tls?.mode === 'Passthrough') {
    refuse(`${path}.tls.mode`, 'must be Terminate for protocol HTTPS', 'use protocol: TLS to pass through');
  }
  if (protocol === 'TLS' && !tls) refuse(`${path}.tls`, 'is required for protocol TLS');
  if (hostname && ['TCP', 'UDP'].includes(protocol)) {
    refuse(`${path}.hostname`, `must not be set for protocol ${protocol}`, 'remove the field');
  }
};

const listenerRules: Rule<readonly ListenerSpec[]> = (listeners, refuse) => {
  const seen = new Set<string>();
  for (const [i, listener] of listeners.entries()) {
    fitsProtocol(listener, `[${i}]`, refuse);
    const { port: number, protocol, hostname } = listener;
    const key = JSON.stringify([number, protocol, hostname]);
    if (seen.has(key)) {
      const host = hostname ? `hostname ${hostname}` : 'no hostname';
      refuse(`[${i}]`, `an earlier listener has the same port ${number}, protocol ${protocol} and ${host}`);
    }
    seen.add(key);
  }
};

/** The listeners of a spec; `rules` are those of each listener alone. */
export const listeners = (rules: readonly Rule<ListenerSpec>[] = []): Schema =>
  keyed('The ports and host names.', ['name'], object('One port and host name.', listenerFields, { rules }), {
    minItems: 1,
    maxItems: 64,
    rules: [listenerRules],
  });

export const listenersStatus = keyed(
  'The state of each listener.',
  ['name'],
  object('One listener.', {
    'name!': sectionName('Its name.'),
    supportedKinds: list('Kinds of routes that it takes.', routeKind, { maxItems: 8 }),
    'attachedRoutes!': integer('How many routes are attached.', { format: 'int32' }),
    'conditions!': conditions(),
  }),
  { maxItems: 64 },
);
