// security.istio.io AuthorizationPolicy: who may call what.
import type { Kind } from '../kind.ts';
import { workloadSelector } from '../peer-authentication/schema.ts';
import { groupField, istioStatus, item, kindField, list, nameField, object, specOf, text } from '../schema.ts';
import type { AuthorizationPolicySpec } from './types.ts';
import { validateAuthorizationPolicy } from './validate.ts';

const values = (description: string, maxItems?: number) =>
  list(description, item(maxItems ? { maxLength: 320 } : {}), maxItems ? { maxItems } : {});

const targetFields = {
  group: groupField(),
  'kind!': kindField(),
  'name!': nameField(),
  namespace: text('Must be empty: only resources of its own namespace can be targets.'),
};

const source = object('Who calls; all given fields must hold.', {
  principals: values('Identities: <trust domain>/ns/<namespace>/sa/<service account>.'),
  notPrincipals: values('Identities that it is not for.'),
  namespaces: values('Namespaces of the callers.'),
  notNamespaces: values('Namespaces that it is not for.'),
  serviceAccounts: values('Service accounts: <namespace>/<name>, or <name> for its own namespace.', 16),
  notServiceAccounts: values('Service accounts that it is not for.', 16),
  ipBlocks: values('Addresses or CIDR blocks of the direct peer.'),
  notIpBlocks: values('Addresses or CIDR blocks that it is not for.'),
  remoteIpBlocks: values('Addresses or CIDR blocks of the original client.'),
  notRemoteIpBlocks: values('Original clients that it is not for.'),
  requestPrincipals: values('Identities from tokens; not supported yet.'),
  notRequestPrincipals: values('Identities from tokens; not supported yet.'),
});

const operation = object('What is asked; all given fields must hold.', {
  hosts: values('Host names.'),
  notHosts: values('Host names that it is not for.'),
  ports: values('Ports of the workload.'),
  notPorts: values('Ports that it is not for.'),
  methods: values('HTTP methods.'),
  notMethods: values('HTTP methods that it is not for.'),
  paths: values('Paths, without the query.'),
  notPaths: values('Paths that it is not for.'),
});

const rule = object('Matches when one of from, one of to, and all of when hold.', {
  from: list('Who calls; anyone when unset.', object('One entry.', { source }), { maxItems: 512 }),
  to: list('What is asked; anything when unset.', object('One entry.', { operation })),
  when: list(
    'Further conditions.',
    object('One condition.', {
      'key!': text('What is compared, e.g. request.headers[x-user] or source.namespace.'),
      values: values('Values that it may have.'),
      notValues: values('Values that it may not have.'),
    }),
  ),
});

export const authorizationPolicy: Kind = {
  group: 'security.istio.io',
  version: 'v1',
  alsoServed: ['v1beta1'],
  kind: 'AuthorizationPolicy',
  plural: 'authorizationpolicies',
  singular: 'authorizationpolicy',
  shortNames: ['ap'],
  namespaced: true,
  statusSubresource: true,
  schema: object('Who may call what.', {
    spec: object('What is wanted of it.', {
      action: text('What happens when a rule matches; ALLOW when unset. AUDIT and CUSTOM are not supported yet.', {
        enum: ['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'],
      }),
      rules: list('The rules; none: nothing matches, so that ALLOW denies all.', rule, { maxItems: 512 }),
      selector: workloadSelector,
      targetRef: object('The Service or Gateway that it is for.', targetFields),
      targetRefs: list('Services or Gateways that it is for.', object('One target.', targetFields), { maxItems: 16 }),
      provider: object('Who decides, for CUSTOM.', { name: text('Name of the provider.') }),
    }),
    status: istioStatus,
  }),
  columns: [
    { name: 'Action', type: 'string', value: (resource) => specOf<AuthorizationPolicySpec>(resource).action ?? '' },
  ],
  validate: validateAuthorizationPolicy,
};
