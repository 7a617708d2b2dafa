// The one error type that crosses folders: a stable code, where, and the next step. Codes are listed in docs/errors.md.

export interface ErrorDetails {
  /** The file and line, or the resource and field, that the error is about. */
  at?: string;
  /** The next step to take. */
  hint?: string;
  cause?: unknown;
}

/** An error whose message may be shown to a user as it stands. */
export class WeftError extends Error {
  readonly code: string;
  readonly at: string | undefined;
  readonly hint: string | undefined;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'WeftError';
    this.code = code;
    this.at = details.at;
    this.hint = details.hint;
  }
}

export const isWeftError = (error: unknown, code?: string): error is WeftError =>
  error instanceof WeftError && (code === undefined || error.code === code);

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The `code` of a Node system error (`EADDRINUSE`, `ENOENT`), or undefined. */
export const systemCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** The form of every error on a terminal: what, where, next step. */
export const formatError = (error: unknown): string => {
  if (!(error instanceof WeftError)) return `error: ${messageOf(error)}`;
  const lines = [`error: ${error.message} (${error.code})`];
  if (error.at) lines.push(`  at: ${error.at}`);
  if (error.hint) lines.push(`  try: ${error.hint}`);
  return lines.join('\n');
};
