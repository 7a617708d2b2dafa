// Every failed request ends as a Kubernetes Status object; this file makes them.
import { isWeftError } from '../lib/errors.ts';
import type { Problem } from '../model/problem.ts';

export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

/** An answer other than success; thrown anywhere inside the API, answered in one place. */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.reason = reason;
    this.details = details;
  }
}

export const isApiError = (error: unknown): error is ApiError => error instanceof ApiError;

/** What an error is about. */
export interface Subject {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

const qualified = (subject: Subject): string => (subject.group ? `${subject.plural}.${subject.group}` : subject.plural);

const detailsOf = (subject: Subject, name: string): StatusDetails => ({
  name,
  ...(subject.group ? { group: subject.group } : {}),
  kind: subject.plural,
});

export const badRequest = (message: string): ApiError => new ApiError(400, 'BadRequest', message);

export const notFound = (subject: Subject, name: string, next?: string): ApiError =>
  new ApiError(
    404,
    'NotFound',
    `${qualified(subject)} "${name}" not found${next ? `; ${next}` : ''}`,
    detailsOf(subject, name),
  );

export const alreadyExists = (subject: Subject, name: string): ApiError =>
  new ApiError(409, 'AlreadyExists', `${qualified(subject)} "${name}" already exists`, detailsOf(subject, name));

export const conflict = (subject: Subject, name: string, why?: string): ApiError => {
  const reason = why ?? 'the object has been modified; please apply your changes to the latest version and try again';
  const message = `Operation cannot be fulfilled on ${qualified(subject)} "${name}": ${reason}`;
  return new ApiError(409, 'Conflict', message, detailsOf(subject, name));
};

export const forbidden = (message: string, details?: StatusDetails): ApiError =>
  new ApiError(403, 'Forbidden', message, details);

export const unsupportedMediaType = (message: string): ApiError => new ApiError(415, 'UnsupportedMediaType', message);

export const tooLarge = (limitBytes: number): ApiError =>
  new ApiError(413, 'RequestEntityTooLarge', `the object is larger than ${limitBytes / 1024 / 1024} MiB`);

export const expired = (message: string): ApiError => new ApiError(410, 'Expired', message);

const withHint = (message: string, hint: string | undefined): string => (hint ? `${message}; ${hint}` : message);

const causeOf = ({ code, message, path = '', hint, fault }: Problem): StatusCause => ({
  reason: `FieldValue${fault ?? (code === 'REQUIRED_FIELD' ? 'Required' : 'Invalid')}`,
  // Clients print `field: message`.
  message: withHint(path && message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message, hint),
  field: path,
});

export const invalid = (subject: Subject, name: string, problems: readonly Problem[]): ApiError => {
  const causes = problems.slice(0, 50).map(causeOf);
  const text = causes.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join(', ');
  const kind = subject.group ? `${subject.kind}.${subject.group}` : subject.kind;
  const details = { ...detailsOf(subject, name), kind: subject.kind, causes };
  return new ApiError(422, 'Invalid', `${kind} "${name}" is invalid: ${text}`, details);
};

const FROM_CODE: Readonly<Record<string, readonly [code: number, reason: string]>> = {
  STORE_GONE: [410, 'Expired'],
  STORE_CONFLICT: [409, 'Conflict'],
  STORE_FULL: [507, 'InsufficientStorage'],
  STORE_BUSY: [429, 'TooManyRequests'],
  STORE_CLOSED: [503, 'ServiceUnavailable'],
  TOKEN_MALFORMED: [401, 'Unauthorized'],
  TOKEN_UNKNOWN: [401, 'Unauthorized'],
  TOKEN_EXPIRED: [401, 'Unauthorized'],
  TOKEN_AUDIENCE: [401, 'Unauthorized'],
};

/** The ApiError for anything that was thrown; undefined when it is a fault of ours, not the caller's. */
export const apiErrorOf = (error: unknown): ApiError | undefined => {
  if (error instanceof ApiError) return error;
  if (!isWeftError(error)) return undefined;
  const [code, reason] = FROM_CODE[error.code] ?? [500, 'InternalError'];
  return new ApiError(
    code,
    reason,
    withHint(error.message, error.hint),
    code === 429 ? { retryAfterSeconds: 1 } : undefined,
  );
};

export const statusOf = (error: unknown): Status => {
  const known = apiErrorOf(error);
  const message = known?.message ?? 'the API failed on this request; its log says why';
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason: known?.reason ?? 'InternalError',
    ...(known?.details ? { details: known.details } : {}),
    code: known?.code ?? 500,
  };
};

export const successStatus = (subject: Subject, name: string, uid: string | undefined): Status => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Success',
  details: { ...detailsOf(subject, name), ...(uid ? { uid } : {}) },
  code: 200,
});

/** True for what should be in the log: faults of ours and of the disk. */
export const isOurFault = (error: unknown): boolean => {
  const known = apiErrorOf(error);
  return known === undefined || known.code >= 500;
};
