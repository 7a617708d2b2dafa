// What all kinds of routes share: parents, host names, backends, status, and the checks of these. Used by each route's schema.ts and validate.ts, and by compile.
import type { Problem } from '../model/problem.ts';
import type { Condition, Resource } from '../model/resource.ts';
import type { Column, Refuse, Rule, Schema } from './kind.ts';
import { invalidField } from './problems.ts';
import {
  conditions,
  controllerName,
  groupField,
  integer,
  item,
  kindField,
  list,
  nameField,
  namespaceField,
  object,
  patterns,
  port,
  sectionName,
  specOf,
  text,
} from './schema.ts';

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

/** What compile needs of a route of any kind. */
export interface RouteSpec {
  readonly parentRefs?: readonly ParentRef[];
  readonly hostnames?: readonly string[];
  readonly rules?: readonly { readonly name?: string; readonly backendRefs?: readonly WeightedBackendRef[] }[];
  readonly useDefaultGateways?: 'All' | 'None';
}

export interface ParentRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly sectionName?: string;
  readonly port?: number;
}

export interface BackendRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly port?: number;
}

export interface WeightedBackendRef extends BackendRef {
  readonly weight: number;
}

export interface RouteStatus {
  readonly parents: readonly RouteParentStatus[];
}

export interface RouteParentStatus {
  readonly parentRef: ParentRef;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

/** Items that name the same target, by the fields `same`, must differ in fields that tell its parts apart, and all have them. */
export const oneWayToEach =
  (same: readonly string[], parts: readonly string[]): Rule<readonly Readonly<Record<string, unknown>>[]> =>
  (items, refuse) => {
    const equal = (a: object, b: object, fields: readonly string[]) =>
      fields.every((field) => Reflect.get(a, field) === Reflect.get(b, field));
    items.forEach((item, i) => {
      const earlier = items.slice(0, i).filter((other) => equal(item, other, same));
      if (earlier.some((other) => equal(item, other, parts))) {
        refuse(`[${i}]`, 'an earlier item is the same', 'remove one of them');
      } else if (earlier.some((other) => parts.some((part) => part in item !== part in other))) {
        const names = parts.join(' or ');
        refuse(`[${i}]`, `${names} must be given in each of several items for the same ${String(item.kind)}`);
      }
    });
  };

const parentRef = object('A Gateway, or a Service for calls inside the mesh.', {
  group: groupField({ default: GATEWAY_GROUP }),
  kind: kindField({ default: 'Gateway' }),
  'name!': nameField(),
  namespace: namespaceField(),
  sectionName: sectionName('Name of one listener of the Gateway, or of one port of the Service.'),
  port: port('Port of the listeners, or of the Service.'),
});

/** The fields that the spec of every route begins with. */
export const parentFields: Record<string, Schema> = {
  parentRefs: list('Where it is attached.', parentRef, {
    maxItems: 32,
    rules: [oneWayToEach(['group', 'kind', 'namespace', 'name'], ['sectionName', 'port'])],
  }),
  useDefaultGateways: text('Attaches to default Gateways; not supported yet.', { enum: ['All', 'None'] }),
};

export const hostnameItem: Schema = item({ pattern: patterns.hostname, minLength: 1, maxLength: 253 });

/** The fields of a reference to a backend, by default a Service. */
export const backendFields: Record<string, Schema> = {
  group: groupField({ default: '' }),
  kind: kindField({ default: 'Service' }),
  'name!': nameField('Name of the Service.'),
  namespace: namespaceField('Namespace of the Service; another one needs a ReferenceGrant there.'),
  port: port('Port of the Service; required for Services.'),
};

const portOfBackend: Rule<BackendRef> = ({ group, kind, port: number }, refuse) => {
  if (group === '' && kind === 'Service' && number === undefined) refuse('.port', 'is required for a Service');
  if (group === 'gateway.networking.x-k8s.io' && kind === 'XBackend' && number !== undefined) {
    refuse('.port', 'must not be set for an XBackend', 'remove the field: the XBackend has its port');
  }
};

export const backendRef = (description: string, rest: Record<string, Schema> = {}): Schema =>
  object(description, { ...backendFields, ...rest }, { rules: [portOfBackend] });

export const weightedBackend = (rest: Record<string, Schema> = {}): Schema =>
  backendRef('One backend.', {
    weight: integer('Its share among the backends of the rule.', {
      format: 'int32',
      minimum: 0,
      maximum: 1_000_000,
      default: 1,
    }),
    ...rest,
  });

/** Of the rules of a route. */
export const uniqueNames: Rule<readonly { readonly name?: string }[]> = (rules, refuse) => {
  rules.forEach(({ name }, i) => {
    if (name !== undefined && rules.findIndex((rule) => rule.name === name) < i) {
      refuse(`[${i}].name`, `"${name}" is the name of an earlier rule`);
    }
  });
};

export const routeStatus: Schema = object('Its state.', {
  'parents!': list(
    'The state at each parent.',
    object('One parent.', {
      'parentRef!': parentRef,
      'controllerName!': controllerName('The controller that says so.'),
      'conditions!': conditions({ minItems: 1 }),
    }),
    { maxItems: 32 },
  ),
});

export const hostnamesColumn: Column = {
  name: 'Hostnames',
  type: 'string',
  value: (resource) => {
    const { hostnames } = specOf<RouteSpec>(resource);
    return hostnames ? JSON.stringify(hostnames) : '';
  },
};

export type Check = Refuse;

/** Of an object with a `type`: the settings of that type must be there, and those of no other. */
export const settingsMatchType =
  (fields: Readonly<Record<string, string>>): Rule<{ readonly type: string }> =>
  (value, refuse) => {
    for (const [type, field] of Object.entries(fields)) {
      const given = Object.hasOwn(value, field);
      if (given && value.type !== type) refuse(`.${field}`, `must not be set for type ${value.type}`);
      if (!given && value.type === type) refuse(`.${field}`, `is required for type ${type}`);
    }
  };

/** Runs checks of a route's spec and gathers what they find. */
export const gather = (resource: Resource, run: (check: Check) => void): Problem[] => {
  const found: Problem[] = [];
  run((path, message, hint) => found.push(invalidField(resource, path, message, hint)));
  return found;
};
