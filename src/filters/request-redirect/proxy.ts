// The own engine's redirect: the Location of an answer, in the Gateway API's meaning. Called by proxy/router.
import type { RequestHead } from '../../model/http.ts';
import type { RedirectAction, RouteMatch } from '../../model/route.ts';
import { preparePathRewrite } from '../url-rewrite/path.ts';

/** `scheme` and `port`: how the request reached the listener of a gateway; no port in a sidecar, whose own port nobody names. */
export type Location = (head: RequestHead, scheme: 'http' | 'https', port: number | undefined) => string;

export const WELL_KNOWN_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

const portIndex = (host: string): number => {
  const colon = host.lastIndexOf(':');
  return colon > host.lastIndexOf(']') ? colon : host.length;
};

/** The port: as given, else the scheme's own where the scheme is given, else the listener's; left out where it is the scheme's. */
export const prepareRedirect = (action: RedirectAction, match: RouteMatch['path']): Location => {
  const newPath = action.path ? preparePathRewrite(action.path, match) : undefined;
  return (head, requestScheme, listenerPort) => {
    const scheme = action.scheme ?? requestScheme;
    const usual = WELL_KNOWN_PORTS[scheme];
    const end = portIndex(head.host);
    const own = listenerPort ?? (action.host === undefined ? Number(head.host.slice(end + 1)) || undefined : undefined);
    const port = action.port ?? (action.scheme === undefined ? own : (usual ?? own));
    const host = action.host ?? head.host.slice(0, end);
    const authority = port === undefined || port === usual ? host : `${host}:${port}`;
    const path = newPath ? newPath(head.path) : head.path;
    return `${scheme}://${authority}${path}${head.query === '' ? '' : `?${head.query}`}`;
  };
};
