// Why a resource, or a part of it, could not be used. Pure code returns these; it never throws them.

/** What can be wrong with a field, as Kubernetes tells it apart. */
export type FieldFault = 'Invalid' | 'Required' | 'TypeInvalid' | 'NotSupported' | 'TooLong' | 'TooMany' | 'Duplicate';

export interface Problem {
  /** Stable, upper case, e.g. `BACKEND_NOT_FOUND`. Listed in docs/errors.md. */
  readonly code: string;
  readonly severity: 'error' | 'warning';
  /** What is wrong, in one sentence, with the names involved. */
  readonly message: string;
  /** The resource it is about. */
  readonly resource?: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
  };
  /** The field, e.g. `spec.rules[0].backendRefs[1].name`. */
  readonly path?: string;
  /** Of a field; absent: as the code says. */
  readonly fault?: FieldFault;
  /** The next step to take. */
  readonly hint?: string;
}
