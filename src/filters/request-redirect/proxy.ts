// The own engine's redirect: the Location of an answer, in the Gateway API's meaning. Called by proxy/router.
import type { RequestHead } from '../../model/http.ts';
import type { RedirectAction, RouteMatch } from '../../model/route.ts';
import { preparePathRewrite } from '../url-rewrite/path.ts';

/** `scheme` and `port`: how the request reached the listener. */
export type Location = (head: RequestHead, scheme: 'http' | 'https', port: number) => string;

export const WELL_KNOWN_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** An authority without its port. */
export const hostWithoutPort = (host: string): string => {
  const colon = host.lastIndexOf(':');
  return colon > host.lastIndexOf(']') ? host.slice(0, colon) : host;
};

/** The port: as given, else the scheme's own where the scheme is given, else the listener's; left out where it is the scheme's. */
export const prepareRedirect = (action: RedirectAction, match: RouteMatch['path']): Location => {
  const { host } = action;
  const newPath = action.path ? preparePathRewrite(action.path, match) : undefined;
  return (head, requestScheme, listenerPort) => {
    const scheme = action.scheme ?? requestScheme;
    const usual = WELL_KNOWN_PORTS[scheme];
    const port = action.port ?? (action.scheme === undefined ? listenerPort : (usual ?? listenerPort));
    const authority = `${host ?? hostWithoutPort(head.host)}${port === usual ? '' : `:${port}`}`;
    const path = newPath ? newPath(head.path) : head.path;
    return `${scheme}://${authority}${path}${head.query === '' ? '' : `?${head.query}`}`;
  };
};
