// Builders for the schemas of kinds, and the pieces that several kinds share. Used by each kind's schema.ts.
import type { Resource } from '../model/resource.ts';
import type { Column, Schema } from './kind.ts';

type Limits = Omit<Schema, 'type' | 'description' | 'properties' | 'items' | 'additionalProperties'>;

export const text = (description: string, limits: Limits = {}): Schema => ({ type: 'string', description, ...limits });

export const integer = (description: string, limits: Limits = {}): Schema => ({
  type: 'integer',
  description,
  ...limits,
});

export const flag = (description: string, limits: Limits = {}): Schema => ({ type: 'boolean', description, ...limits });

export const list = (description: string, items: Schema, limits: Limits = {}): Schema => ({
  type: 'array',
  description,
  items,
  ...limits,
});

/** A list that merges by the given fields of its items. */
export const keyed = (description: string, keys: readonly string[], items: Schema, limits: Limits = {}): Schema =>
  list(description, items, { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys, ...limits });

export const map = (description: string, values: Schema, limits: Limits = {}): Schema => ({
  type: 'object',
  description,
  additionalProperties: values,
  ...limits,
});

/** An object; a property whose name ends in `!` is required. */
export const object = (description: string, fields: Readonly<Record<string, Schema>>, limits: Limits = {}): Schema => {
  const properties: Record<string, Schema> = {};
  const required: string[] = [];
  for (const [name, schema] of Object.entries(fields)) {
    if (name.endsWith('!')) required.push(name.slice(0, -1));
    properties[name.replace(/!$/, '')] = schema;
  }
  return { type: 'object', description, properties, ...(required.length ? { required } : {}), ...limits };
};

export const intOrString = (description: string): Schema => ({ description, 'x-kubernetes-int-or-string': true });

/** One item of a list or map that needs no words of its own. */
export const item = (limits: Limits = {}): Schema => ({ type: 'string', ...limits });

const SUBDOMAIN = '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*';

export const patterns = {
  group: `^$|^${SUBDOMAIN}$`,
  kind: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$',
  namespace: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
  subdomain: `^${SUBDOMAIN}$`,
  hostname: `^(\\*\\.)?${SUBDOMAIN}$`,
  headerName: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$",
  path: "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$",
  origin: '(^\\*$)|(^(http(s)?):\\/\\/(((\\*\\.)?([a-zA-Z0-9\\-]+\\.)*[a-zA-Z0-9-]+|\\*)(:([0-9]{1,5}))?)$)',
  // Visible characters with single blanks between them: no line break can get into a message head.
  headerValue: '^[!-~]+(?:[\\t ][!-~]+)*$',
  duration: '^([0-9]{1,5}(h|m|s|ms)){1,4}$',
  // As published: all but the first of each list of choices may stand anywhere in the text.
  protocol: `^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|${SUBDOMAIN}\\/[A-Za-z0-9]+$`,
  addressType: `^Hostname|IPAddress|NamedAddress|${SUBDOMAIN}\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$`,
  labelValue: '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$',
  controllerName: `^${SUBDOMAIN}\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$`,
} as const;

export const port = (description: string): Schema =>
  integer(description, { format: 'int32', minimum: 1, maximum: 65535 });

export const groupField = (limits: Limits = {}): Schema =>
  text('API group of the referent; empty for the core group.', {
    pattern: patterns.group,
    maxLength: 253,
    ...limits,
  });

export const kindField = (limits: Limits = {}): Schema =>
  text('Kind of the referent.', { pattern: patterns.kind, minLength: 1, maxLength: 63, ...limits });

export const nameField = (description = 'Name of the referent.'): Schema =>
  text(description, { minLength: 1, maxLength: 253 });

export const namespaceField = (description = 'Namespace of the referent; its own namespace when unset.'): Schema =>
  text(description, { pattern: patterns.namespace, minLength: 1, maxLength: 63 });

export const controllerName = (description: string): Schema =>
  text(description, { pattern: patterns.controllerName, minLength: 1, maxLength: 253 });

export const sectionName = (description: string): Schema =>
  text(description, { pattern: patterns.subdomain, minLength: 1, maxLength: 253 });

const CONDITION_TYPE = `^(${SUBDOMAIN}/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`;
const CONDITION_REASON = '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$';

export const conditions = (limits: Limits = {}): Schema =>
  keyed(
    'The state of the resource, one entry per aspect.',
    ['type'],
    object('One aspect of the state.', {
      'type!': text('The aspect, e.g. Accepted.', { pattern: CONDITION_TYPE, maxLength: 316 }),
      'status!': text('Whether it holds.', { enum: ['True', 'False', 'Unknown'] }),
      'reason!': text('Why, as one word for programs.', { pattern: CONDITION_REASON, minLength: 1, maxLength: 1024 }),
      'message!': text('Why, for people.', { maxLength: 32768 }),
      'lastTransitionTime!': text('When the status last changed.', { format: 'date-time' }),
      observedGeneration: integer('The generation of the spec that this is about.', { format: 'int64', minimum: 0 }),
    }),
    { maxItems: 8, ...limits },
  );

export const labelSelector = (description: string): Schema =>
  object(
    description,
    {
      matchLabels: map('Labels that must be there with these values.', item()),
      matchExpressions: list(
        'Further requirements; all must hold.',
        object('One requirement.', {
          'key!': text('The label.'),
          'operator!': text('How the label relates to the values.', {
            enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'],
          }),
          values: list('Values for In and NotIn.', item()),
        }),
      ),
    },
    { 'x-kubernetes-map-type': 'atomic' },
  );

const pendingCondition = (type: string) => ({
  type,
  status: 'Unknown',
  reason: 'Pending',
  message: 'Waiting for controller',
  lastTransitionTime: '1970-01-01T00:00:00Z',
});

/** The status of a kind whose conditions stand at Unknown until its controller has looked at it. */
export const pendingStatus = (types: readonly string[], fields: Readonly<Record<string, Schema>>): Schema => {
  const pending = types.map(pendingCondition);
  const described = { conditions: { ...conditions(), default: pending }, ...fields };
  return object('Its state.', described, { default: { conditions: pending } });
};

/** The status of Istio's kinds. */
export const istioStatus: Schema = {
  ...object('What the control plane says about it.', {
    conditions: list(
      'The state of the resource, one entry per aspect.',
      object('One aspect of the state.', {
        type: text('The aspect.'),
        status: text('Whether it holds: True, False or Unknown.'),
        reason: text('Why, as one word for programs.'),
        message: text('Why, for people.'),
        lastTransitionTime: text('When the status last changed.', { format: 'date-time' }),
        lastProbeTime: text('When it was last looked at.', { format: 'date-time' }),
        observedGeneration: intOrString('The generation of the spec that this is about.'),
      }),
    ),
    validationMessages: list('What checks of the spec found.', {
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
    }),
    observedGeneration: intOrString('The generation of the spec that the status is about.'),
  }),
  'x-kubernetes-preserve-unknown-fields': true,
};

/** The status of the condition of this type, or empty: for columns. */
export const conditionColumn =
  (type: string): Column['value'] =>
  (resource) => {
    const status = resource.status as { conditions?: readonly { type: string; status: string }[] } | undefined;
    return status?.conditions?.find((condition) => condition.type === type)?.status ?? '';
  };

/** The spec of a resource for a column: every field may be missing. */
export const specOf = <Spec>(resource: Resource): Partial<Spec> => (resource.spec ?? {}) as Partial<Spec>;
