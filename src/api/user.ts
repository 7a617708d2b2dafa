// Who calls the API, as proven by a token; and what that user may do.

export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  /** What the token is good for, e.g. `weft-api`, `weft-ca`. */
  readonly audiences: readonly string[];
}

export interface TokenVerifier {
  /** Throws TOKEN_MALFORMED, TOKEN_UNKNOWN, TOKEN_EXPIRED, or TOKEN_AUDIENCE when `audience` is given and not among its own. */
  verify(token: string, audience?: string): Promise<User>;
}

export interface IssueRequest {
  readonly subject: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly audience?: string | readonly string[];
  readonly ttlMs: number;
}

export interface TokenIssuer {
  issue(request: IssueRequest): Promise<{ token: string; expiresAt: number }>;
}

/** The group that may do everything, as Kubernetes names it. */
export const ADMIN_GROUP = 'system:masters';

export const audiences = {
  /** Use of the API. */
  api: 'weft-api',
  /** The link that opens a browser's session. */
  link: 'weft-browser-link',
  /** A browser's session; good on the browser port alone, and for no further session. */
  browser: 'weft-browser',
  /** Joining the mesh: a first certificate. */
  ca: 'weft-ca',
} as const;

export const isAdmin = (user: User): boolean => user.groups.includes(ADMIN_GROUP);
