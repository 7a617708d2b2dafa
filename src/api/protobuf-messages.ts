// The messages of Kubernetes that protobuf.ts reads: field numbers, names and types.

/**
 * What a field holds. Kubernetes writes fields at their zero value unless they are pointers, so zero values are left
 * out, but for `pointer` types, which are sent only when they were set.
 */
export type FieldType =
  | 'string'
  | 'int'
  | 'bool'
  | 'boolPointer'
  | 'intPointer'
  | 'intOrString'
  | 'microTime'
  | 'stringMap'
  | 'bytesMap'
  | Message;
export type Field = readonly [name: string, type: FieldType, repeated?: 'repeated'];
export type Message = { readonly [number: number]: Field };

// Field numbers as in the published .proto files of k8s.io/api and k8s.io/apimachinery (Kubernetes 1.32).
const ownerReference: Message = {
  1: ['kind', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
  5: ['apiVersion', 'string'],
  6: ['controller', 'boolPointer'],
  7: ['blockOwnerDeletion', 'boolPointer'],
};
const metadata: Message = {
  1: ['name', 'string'],
  2: ['generateName', 'string'],
  3: ['namespace', 'string'],
  5: ['uid', 'string'],
  6: ['resourceVersion', 'string'],
  11: ['labels', 'stringMap'],
  12: ['annotations', 'stringMap'],
  13: ['ownerReferences', ownerReference, 'repeated'],
  14: ['finalizers', 'string', 'repeated'],
};
const servicePort: Message = {
  1: ['name', 'string'],
  2: ['protocol', 'string'],
  3: ['port', 'int'],
  4: ['targetPort', 'intOrString'],
  5: ['nodePort', 'int'],
  6: ['appProtocol', 'string'],
};
const serviceSpec: Message = {
  1: ['ports', servicePort, 'repeated'],
  2: ['selector', 'stringMap'],
  3: ['clusterIP', 'string'],
  4: ['type', 'string'],
  5: ['externalIPs', 'string', 'repeated'],
  7: ['sessionAffinity', 'string'],
  8: ['loadBalancerIP', 'string'],
  9: ['loadBalancerSourceRanges', 'string', 'repeated'],
  10: ['externalName', 'string'],
  11: ['externalTrafficPolicy', 'string'],
  12: ['healthCheckNodePort', 'int'],
  13: ['publishNotReadyAddresses', 'bool'],
  14: ['sessionAffinityConfig', { 1: ['clientIP', { 1: ['timeoutSeconds', 'intPointer'] }] }],
  17: ['ipFamilyPolicy', 'string'],
  18: ['clusterIPs', 'string', 'repeated'],
  19: ['ipFamilies', 'string', 'repeated'],
  20: ['allocateLoadBalancerNodePorts', 'boolPointer'],
  21: ['loadBalancerClass', 'string'],
  22: ['internalTrafficPolicy', 'string'],
  23: ['trafficDistribution', 'string'],
};
const objectReference: Message = {
  1: ['kind', 'string'],
  2: ['namespace', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
  5: ['apiVersion', 'string'],
  6: ['resourceVersion', 'string'],
  7: ['fieldPath', 'string'],
};
const boundObject: Message = {
  1: ['kind', 'string'],
  2: ['apiVersion', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
};
const resourceAttributes: Message = {
  1: ['namespace', 'string'],
  2: ['verb', 'string'],
  3: ['group', 'string'],
  4: ['version', 'string'],
  5: ['resource', 'string'],
  6: ['subresource', 'string'],
  7: ['name', 'string'],
};
const nonResourceAttributes: Message = { 1: ['path', 'string'], 2: ['verb', 'string'] };

const endpoint: Message = {
  1: ['addresses', 'string', 'repeated'],
  2: ['conditions', { 1: ['ready', 'boolPointer'], 2: ['serving', 'boolPointer'], 3: ['terminating', 'boolPointer'] }],
  3: ['hostname', 'string'],
  4: ['targetRef', objectReference],
  5: ['deprecatedTopology', 'stringMap'],
  6: ['nodeName', 'string'],
  7: ['zone', 'string'],
  8: [
    'hints',
    { 1: ['forZones', { 1: ['name', 'string'] }, 'repeated'], 2: ['forNodes', { 1: ['name', 'string'] }, 'repeated'] },
  ],
};
const endpointPort: Message = {
  1: ['name', 'string'],
  2: ['protocol', 'string'],
  3: ['port', 'int'],
  4: ['appProtocol', 'string'],
};
const leaseSpec: Message = {
  1: ['holderIdentity', 'string'],
  2: ['leaseDurationSeconds', 'intPointer'],
  3: ['acquireTime', 'microTime'],
  4: ['renewTime', 'microTime'],
  5: ['leaseTransitions', 'intPointer'],
  6: ['strategy', 'string'],
  7: ['preferredHolder', 'string'],
};

export const MESSAGES: Readonly<Record<string, Message>> = {
  Namespace: { 1: ['metadata', metadata], 2: ['spec', { 1: ['finalizers', 'string', 'repeated'] }] },
  Service: { 1: ['metadata', metadata], 2: ['spec', serviceSpec] },
  ServiceAccount: {
    1: ['metadata', metadata],
    2: ['secrets', objectReference, 'repeated'],
    3: ['imagePullSecrets', { 1: ['name', 'string'] }, 'repeated'],
    4: ['automountServiceAccountToken', 'boolPointer'],
  },
  Secret: {
    1: ['metadata', metadata],
    2: ['data', 'bytesMap'],
    3: ['type', 'string'],
    4: ['stringData', 'stringMap'],
    5: ['immutable', 'boolPointer'],
  },
  ConfigMap: {
    1: ['metadata', metadata],
    2: ['data', 'stringMap'],
    3: ['binaryData', 'bytesMap'],
    4: ['immutable', 'boolPointer'],
  },
  EndpointSlice: {
    1: ['metadata', metadata],
    2: ['endpoints', endpoint, 'repeated'],
    3: ['ports', endpointPort, 'repeated'],
    4: ['addressType', 'string'],
  },
  Lease: { 1: ['metadata', metadata], 2: ['spec', leaseSpec] },
  TokenRequest: {
    1: ['metadata', metadata],
    2: [
      'spec',
      {
        1: ['audiences', 'string', 'repeated'],
        3: ['boundObjectRef', boundObject],
        4: ['expirationSeconds', 'intPointer'],
      },
    ],
  },
  SelfSubjectReview: { 1: ['metadata', metadata] },
  SelfSubjectRulesReview: { 1: ['metadata', metadata], 2: ['spec', { 1: ['namespace', 'string'] }] },
  SelfSubjectAccessReview: {
    1: ['metadata', metadata],
    2: ['spec', { 1: ['resourceAttributes', resourceAttributes], 2: ['nonResourceAttributes', nonResourceAttributes] }],
  },
  DeleteOptions: {
    1: ['gracePeriodSeconds', 'intPointer'],
    2: ['preconditions', { 1: ['uid', 'string'], 2: ['resourceVersion', 'string'] }],
    3: ['orphanDependents', 'boolPointer'],
    4: ['propagationPolicy', 'string'],
    5: ['dryRun', 'string', 'repeated'],
  },
};
