// core/v1 ServiceAccount: the name behind a workload's SPIFFE identity.
import type { Resource } from '../../model/resource.ts';
import type { Kind } from '../kind.ts';
import { flag, keyed, object, text } from '../schema.ts';

/** `true` on an account whose proxies may be gateways, which are sent the keys of certificates. */
export const GATEWAY_LABEL = 'weft.dev/gateway';

/** On what was made for a Gateway; its value is the Gateway's name, shortened where it is too long. */
export const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

const reference = object('A reference to a Secret.', {
  name: text('Name of the Secret.', { default: '' }),
});

export const serviceAccount: Kind = {
  group: '',
  version: 'v1',
  alsoServed: [],
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  shortNames: ['sa'],
  namespaced: true,
  statusSubresource: false,
  schema: object('An identity that workloads run as.', {
    automountServiceAccountToken: flag('Whether pods get a token; not used outside Kubernetes.'),
    imagePullSecrets: keyed('Secrets to pull images with; not used outside Kubernetes.', ['name'], reference),
    secrets: keyed(
      'Secrets that its workloads may use; not used outside Kubernetes.',
      ['name'],
      object('A reference to a Secret.', {
        apiVersion: text('API version of the referent.'),
        fieldPath: text('A part of the referent.'),
        kind: text('Kind of the referent.'),
        name: text('Name of the referent.'),
        namespace: text('Namespace of the referent.'),
        resourceVersion: text('Version of the referent.'),
        uid: text('uid of the referent.'),
      }),
    ),
  }),
  columns: [
    {
      name: 'Secrets',
      type: 'integer',
      value: (resource: Resource & { secrets?: readonly unknown[] }) => resource.secrets?.length ?? 0,
    },
  ],
};
