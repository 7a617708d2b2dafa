// The schema of metadata, the same for every kind, and the rules for names and labels. Used by validate.ts and the API's OpenAPI document.
import type { Problem } from '../model/problem.ts';
import type { ObjectMeta, Resource } from '../model/resource.ts';
import type { Kind, Schema } from './kind.ts';
import { invalidField, missingField } from './problems.ts';
import { flag, integer, item, keyed, list, map, object, text } from './schema.ts';

export const metadataSchema: Schema = object('What every resource has: names, labels, versions.', {
  name: text('Name, unique among the kind in its namespace.'),
  generateName: text('Prefix from which the API makes a unique name.'),
  namespace: text('Namespace that the resource lives in.'),
  labels: map('Short values to select by.', item()),
  annotations: map('Further values, for tools.', item()),
  uid: text('Unique over all time; set by the API.'),
  resourceVersion: text('Revision of the last write; set by the API.'),
  generation: integer('Counts the changes of the spec; set by the API.', { format: 'int64' }),
  creationTimestamp: text('When it was created; set by the API.', { format: 'date-time' }),
  deletionTimestamp: text('When its deletion was asked for; set by the API.', { format: 'date-time' }),
  deletionGracePeriodSeconds: integer('Seconds until it is deleted; set by the API.', { format: 'int64' }),
  selfLink: text('Not used any more.'),
  finalizers: list('What must be done before it may go.', item(), { 'x-kubernetes-list-type': 'set' }),
  ownerReferences: keyed(
    'Resources that this one belongs to.',
    ['uid'],
    object('One owner.', {
      'apiVersion!': text('API version of the owner.', { minLength: 1 }),
      'kind!': text('Kind of the owner.', { minLength: 1 }),
      'name!': text('Name of the owner.', { minLength: 1 }),
      'uid!': text('uid of the owner.', { minLength: 1 }),
      controller: flag('True for the one owner that manages it.'),
      blockOwnerDeletion: flag('True when the owner waits for it.'),
    }),
  ),
  managedFields: list('Who manages which field; set by the API.', {
    type: 'object',
    'x-kubernetes-preserve-unknown-fields': true,
  }),
});

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const MAX_ANNOTATION_BYTES = 256 * 1024;

const checkName = (kind: Kind, resource: Resource): Problem[] => {
  const { name, generateName, namespace } = resource.metadata;
  const found: Problem[] = [];
  if (!name && !generateName) {
    found.push(missingField(resource, 'metadata.name', 'a name is required'));
  }
  const dnsLabel = kind.group === '' && (kind.kind === 'Namespace' || kind.kind === 'Service');
  const parts = name && kind.nameSeparator ? name.split(kind.nameSeparator) : [name ?? ''];
  const isName = (part: string) => (dnsLabel ? LABEL.test(part) : SUBDOMAIN.test(part));
  if (name && !(parts.every(isName) && name.length <= 253)) {
    const what = dnsLabel
      ? 'at most 63 lower-case letters, digits and "-"'
      : 'at most 253 lower-case letters, digits, "-" and "."';
    found.push(
      invalidField(
        resource,
        'metadata.name',
        `"${name}" is not a name: ${what}, beginning and ending with a letter or digit`,
      ),
    );
  }
  if (namespace && !kind.namespaced) {
    found.push(invalidField(resource, 'metadata.namespace', `a ${kind.kind} has no namespace`, 'remove the field'));
  } else if (namespace && !LABEL.test(namespace)) {
    found.push(invalidField(resource, 'metadata.namespace', `"${namespace}" is not the name of a namespace`));
  }
  return found;
};

const checkLabels = (resource: Resource, { labels = {}, annotations = {} }: ObjectMeta): Problem[] => {
  const found: Problem[] = [];
  for (const [key, value] of Object.entries(labels)) {
    if (!QUALIFIED.test(key)) found.push(invalidField(resource, 'metadata.labels', `"${key}" is not a label name`));
    if (!LABEL_VALUE.test(value)) {
      found.push(
        invalidField(
          resource,
          `metadata.labels.${key}`,
          `"${value}" is not a label value: at most 63 letters, digits, "-", "_" and "."`,
        ),
      );
    }
  }
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    size += key.length + value.length;
    if (!QUALIFIED.test(key.toLowerCase())) {
      found.push(invalidField(resource, 'metadata.annotations', `"${key}" is not an annotation name`));
    }
  }
  if (size > MAX_ANNOTATION_BYTES) {
    found.push(
      invalidField(
        resource,
        'metadata.annotations',
        `annotations take ${size} bytes; at most ${MAX_ANNOTATION_BYTES} are kept`,
      ),
    );
  }
  return found;
};

const checkOwnership = (resource: Resource, { ownerReferences = [], finalizers = [] }: ObjectMeta): Problem[] => {
  const found: Problem[] = [];
  if (ownerReferences.filter(({ controller }) => controller).length > 1) {
    found.push(
      invalidField(resource, 'metadata.ownerReferences', 'only one reference can have controller set to true'),
    );
  }
  for (const finalizer of finalizers) {
    if (QUALIFIED.test(finalizer)) continue;
    found.push(invalidField(resource, 'metadata.finalizers', `"${finalizer}" is not the name of a finalizer`));
  }
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    found.push(invalidField(resource, 'metadata.finalizers', 'orphan and foregroundDeletion cannot be both set'));
  }
  return found;
};

export const checkMetadata = (kind: Kind, resource: Resource): Problem[] => [
  ...checkName(kind, resource),
  ...checkLabels(resource, resource.metadata),
  ...checkOwnership(resource, resource.metadata),
];
