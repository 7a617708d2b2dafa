// Why a resource, or a part of it, could not be used. Pure code returns these; it never throws them.

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
  /** The next step to take. */
  readonly hint?: string;
}
