// What policies that are attached to other resources share: targets and status. Used by each policy's schema.ts, and by compile.
import type { Condition } from '../model/resource.ts';
import type { Schema } from './kind.ts';
import {
  conditions,
  groupField,
  kindField,
  list,
  nameField,
  namespaceField,
  object,
  port,
  sectionName,
  text,
} from './schema.ts';

export interface PolicyTarget {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly sectionName?: string;
}

/** Who a policy's conditions are about. */
export interface AncestorRef extends PolicyTarget {
  readonly namespace?: string;
}

export interface PolicyStatus {
  readonly ancestors: readonly PolicyAncestorStatus[];
}

export interface PolicyAncestorStatus {
  readonly ancestorRef: AncestorRef;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

export const targetFields: Record<string, Schema> = {
  'group!': groupField(),
  'kind!': kindField(),
  'name!': nameField(),
  sectionName: sectionName('One listener of the Gateway, or one port of the Service; all when unset.'),
};

/** An object in any namespace that holds certificates or lists. */
export const caRef = (description: string, limits: { readonly kind?: string } = {}): Schema =>
  object(description, {
    group: groupField({ default: '' }),
    kind: kindField({ default: limits.kind ?? 'Secret' }),
    'name!': nameField(),
    namespace: namespaceField('Its namespace; another one needs a ReferenceGrant there.'),
  });

export const policyStatus: Schema = object('Its state.', {
  'ancestors!': list(
    'The state at each Gateway.',
    object('One Gateway.', {
      'ancestorRef!': object('The Gateway.', {
        group: groupField({ default: 'gateway.networking.k8s.io' }),
        kind: kindField({ default: 'Gateway' }),
        'name!': nameField(),
        namespace: namespaceField(),
        sectionName: sectionName('Its listener.'),
        port: port('Its port.'),
      }),
      'controllerName!': text('The controller that says so.', { minLength: 1, maxLength: 253 }),
      'conditions!': conditions(),
    }),
    { maxItems: 16 },
  ),
});
