// What policies that are attached to other resources share: targets and status. Used by each policy's schema.ts, and by compile.
import type { Condition } from '../model/resource.ts';
import type { LabelSelector } from './gateway/types.ts';
import type { Schema } from './kind.ts';
import { type Check, GATEWAY_GROUP } from './route-parts.ts';
import {
  conditions,
  controllerName,
  groupField,
  kindField,
  labelSelector,
  list,
  nameField,
  namespaceField,
  object,
  port,
  sectionName,
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

/** A part of a published kind that compile refuses by its path: nothing is said of what is inside. */
export const notYet = (description: string): Schema => ({
  type: 'object',
  description: `${description}; not supported yet.`,
  'x-kubernetes-preserve-unknown-fields': true,
});

/** The targets of Envoy Gateway's policies, in words for one and for many. */
export const targetRefs = (one: string, many: string, section: string): Record<string, Schema> => {
  const fields = { ...targetFields, sectionName: sectionName(section) };
  return {
    targetRef: object(`The ${one} that it is for.`, fields),
    targetRefs: list(`The ${many} that it is for.`, object(`One ${one}.`, fields)),
    targetSelectors: list(`${many} by label.`, {
      ...labelSelector(`Some ${many}.`),
      properties: {
        ...labelSelector('').properties,
        group: groupField({ default: GATEWAY_GROUP }),
        kind: kindField(),
      },
      required: ['kind'],
    }),
  };
};

/** What every spec with `targetRefs` has. */
export interface TargetedSpec {
  readonly targetRef?: PolicyTarget;
  readonly targetRefs?: readonly PolicyTarget[];
  readonly targetSelectors?: readonly (LabelSelector & { readonly group: string; readonly kind: string })[];
}

/** Their rules that the schema can't say. */
export const checkTargets = (
  { targetRef, targetRefs, targetSelectors = [] }: TargetedSpec,
  kinds: readonly string[],
  check: Check,
): void => {
  if ((targetRef === undefined) === (targetRefs === undefined) && targetSelectors.length === 0) {
    check('spec', 'either targetRef or targetRefs must be used');
  }
  const all = [
    ...(targetRef ? [['spec.targetRef', targetRef] as const] : []),
    ...(targetRefs ?? []).map((ref, i) => [`spec.targetRefs[${i}]`, ref] as const),
    ...targetSelectors.map((ref, i) => [`spec.targetSelectors[${i}]`, ref] as const),
  ];
  const names = `${kinds.slice(0, -1).join(', ')} or ${kinds.at(-1)}`;
  for (const [path, { group, kind }] of all) {
    if (group !== GATEWAY_GROUP) check(`${path}.group`, `must be ${GATEWAY_GROUP}`);
    if (!kinds.includes(kind)) check(`${path}.kind`, `must be ${names}`);
  }
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
      'controllerName!': controllerName('The controller that says so.'),
      'conditions!': conditions({ minItems: 1 }),
    }),
    { maxItems: 16 },
  ),
});
