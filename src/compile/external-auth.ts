// ExternalAuth, of routes and of listeners, as the filter of the model. Used by route-filters.ts and listener-filters.ts.
import type { ExternalAuth } from '../filters/external-auth/schema.ts';
import type { ExternalAuthSpec } from '../kinds/http-route/types.ts';
import type { BackendRef } from '../kinds/route-parts.ts';
import { INVALID_CLUSTER } from '../model/snapshot.ts';

/** The cluster of a server that has to speak this; undefined where there is none. */
export type ClusterOfServer = (ref: BackendRef, speaks: 'http' | 'grpc') => string | undefined;

const MAX_BODY_BYTES = 10 * 1024 * 1024;

/** With INVALID_CLUSTER where the server can't be used: nothing may pass then. */
export const compileExternalAuth = (
  { protocol, backendRef, forwardBody, grpc, http }: ExternalAuthSpec,
  clusterOf: ClusterOfServer,
): ExternalAuth => ({
  type: 'external-auth',
  cluster: clusterOf(backendRef, protocol === 'GRPC' ? 'grpc' : 'http') ?? INVALID_CLUSTER,
  protocol: protocol === 'GRPC' ? 'grpc' : 'http',
  pathPrefix: prefixOf(http?.path),
  requestHeaders: lower(protocol === 'GRPC' ? grpc?.allowedHeaders : http?.allowedHeaders),
  responseHeaders: lower(http?.allowedResponseHeaders),
  maxBodyBytes: forwardBody?.maxSize ?? 0,
});

const lower = (names: readonly string[] = []): string[] => names.map((name) => name.toLowerCase());

const prefixOf = (path = ''): string => {
  const trimmed = path.replace(/\/+$/, '');
  return trimmed === '' || trimmed.startsWith('/') ? trimmed : `/${trimmed}`;
};

const AMBIGUOUS = /\/\/|%2f|(?:^|\/)\.\.?(?:\/|$)/i;

/** What is published but can't be done, by its path in the filter. */
export const unsupportedAuth = ({
  forwardBody,
  http,
}: ExternalAuthSpec): { path: string; what: string } | undefined => {
  if ((forwardBody?.maxSize ?? 0) > MAX_BODY_BYTES) {
    return { path: 'externalAuth.forwardBody.maxSize', what: `more than ${MAX_BODY_BYTES} bytes` };
  }
  if (AMBIGUOUS.test(http?.path ?? '')) {
    return { path: 'externalAuth.http.path', what: 'a path that leads elsewhere ("..", "//", "%2f")' };
  }
  return undefined;
};
