// What users write: Kubernetes-shaped objects. The rest of the model is what compile makes of them.

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly generateName?: string;
  readonly uid?: string;
  /** The store's revision of the last write, in decimal. Never stored: set on reading. */
  readonly resourceVersion?: string;
  /** Counts the changes of the spec, not those of status or metadata. */
  readonly generation?: number;
  /** RFC 3339, seconds. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  /** Who manages which field: JSON text as kept, its entries as served. */
  readonly managedFields?: string | readonly unknown[];
}

/** One object as stored and served. Kinds without a spec (Secret, EndpointSlice) have their fields at the top. */
export interface Resource<Spec = unknown, Status = unknown> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec?: Spec;
  readonly status?: Status;
}

/** For who has no use for the managers of fields, which take as much room as the rest. */
export const withoutManagedFields = (resource: Resource): Resource => {
  if (resource?.metadata?.managedFields === undefined) return resource;
  const { managedFields: _, ...metadata } = resource.metadata;
  return { ...resource, metadata };
};

/** A condition as in metav1.Condition. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  /** RFC 3339; moves only when `status` does. */
  readonly lastTransitionTime: string;
}

/** `namespace/name`, or `name` for what has no namespace. */
export const qualifiedName = (meta: ObjectMeta): string =>
  meta.namespace ? `${meta.namespace}/${meta.name}` : meta.name;

/** The API group of an apiVersion; empty for the core group. */
export const groupOf = (apiVersion: string): string => {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
};
