// What all kinds of routes share: parents, host names, backends, status, and the checks of these. Used by each route's schema.ts and validate.ts, and by compile.
import type { Problem } from '../model/problem.ts';
import type { Condition, Resource } from '../model/resource.ts';
import type { Column, Refuse, Rule, Schema } from './kind.ts';
import { invalidField, repeated } from './problems.ts';
import {
  conditions,
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
  parentRefs: list('Where it is attached.', parentRef, { maxItems: 32 }),
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

export const weightedBackend = (rest: Record<string, Schema> = {}): Schema =>
  object('One backend.', {
    ...backendFields,
    weight: integer('Its share among the backends of the rule.', {
      format: 'int32',
      minimum: 0,
      maximum: 1_000_000,
      default: 1,
    }),
    ...rest,
  });

export const routeStatus: Schema = object('Its state.', {
  'parents!': list(
    'The state at each parent.',
    object('One parent.', {
      'parentRef!': parentRef,
      'controllerName!': text('The controller that says so.', { minLength: 1, maxLength: 253 }),
      'conditions!': conditions(),
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

/** The rules that hold for a route of any kind. */
export const checkRoute = ({ parentRefs = [], hostnames = [], rules = [] }: RouteSpec, check: Check): void => {
  checkParents(parentRefs, check);
  hostnames.forEach((hostname, i) => {
    if (/^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(hostname)) {
      check(`spec.hostnames[${i}]`, `"${hostname}" is an IP address, not a host name`);
    }
  });
  const names = rules.map(({ name }, index) => ({ name, index })).filter(({ name }) => name);
  for (const { item: again } of repeated(names, ({ name }) => name ?? '')) {
    check(`spec.rules[${again.index}].name`, `"${again.name}" is the name of an earlier rule`);
  }
  for (const [i, { backendRefs = [] }] of rules.entries()) {
    for (const [j, { group, kind, port: number }] of backendRefs.entries()) {
      if (group === '' && kind === 'Service' && number === undefined) {
        check(`spec.rules[${i}].backendRefs[${j}].port`, 'is required for a Service');
      }
    }
  }
};

const checkParents = (parents: readonly ParentRef[], check: Check): void => {
  const target = ({ group, kind, namespace, name }: ParentRef) => JSON.stringify([group, kind, namespace ?? '', name]);
  parents.forEach((parent, i) => {
    const path = `spec.parentRefs[${i}]`;
    for (const earlier of parents.slice(0, i)) {
      if (target(earlier) !== target(parent)) continue;
      if (earlier.sectionName === parent.sectionName && earlier.port === parent.port) {
        check(path, 'an earlier parentRef is the same');
      } else if (
        (earlier.sectionName ?? earlier.port) === undefined ||
        (parent.sectionName ?? parent.port) === undefined
      ) {
        check(path, 'sectionName or port must be given when several parentRefs name the same parent');
      }
    }
  });
};
