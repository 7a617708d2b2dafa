// Redirects in Envoy's terms. Called by xds/envoy-form.
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  RedirectAction_RedirectResponseCode as Code,
  type RedirectActionSchema,
} from '../../gen/envoy/config/route/v3/route_components_pb.js';
import type { RedirectAction, RouteMatch } from '../../model/route.ts';
import { envoyPathRewrite } from '../url-rewrite/envoy.ts';
import { WELL_KNOWN_PORTS } from './proxy.ts';

type EnvoyRedirect = MessageInitShape<typeof RedirectActionSchema> & object;

const CODES: Readonly<Record<number, Code>> = {
  301: Code.MOVED_PERMANENTLY,
  302: Code.FOUND,
  303: Code.SEE_OTHER,
  307: Code.TEMPORARY_REDIRECT,
  308: Code.PERMANENT_REDIRECT,
};

const pathSpecifier = (
  action: RedirectAction,
  match: RouteMatch['path'],
): Pick<EnvoyRedirect, 'pathRewriteSpecifier'> => {
  if (!action.path) return {};
  const { value } = action.path;
  if (action.path.type === 'full' || match.type !== 'prefix') {
    return { pathRewriteSpecifier: { case: 'pathRedirect', value: value.startsWith('/') ? value : `/${value}` } };
  }
  const path = envoyPathRewrite(action.path, match);
  if (!path) return {};
  if (path.type === 'prefix') return { pathRewriteSpecifier: { case: 'prefixRewrite', value: path.value } };
  const rewrite = { pattern: { regex: path.pattern }, substitution: path.substitution };
  return { pathRewriteSpecifier: { case: 'regexRewrite', value: rewrite } };
};

/** The port that Envoy must name, 0 for none. Envoy keeps the caller's own port where the host is kept. */
const portOf = (action: RedirectAction, listener: { scheme: string; port: number } | undefined): number => {
  const scheme = action.scheme ?? listener?.scheme;
  const usual = scheme === undefined ? undefined : WELL_KNOWN_PORTS[scheme];
  const port = action.port ?? (action.scheme === undefined ? listener?.port : (usual ?? listener?.port));
  if (port === undefined || port !== usual) return port ?? 0;
  // Left out wherever the host of the answer has no port anyway.
  const listenerIsUsual = !listener || listener.port === WELL_KNOWN_PORTS[listener.scheme];
  return action.host !== undefined || listenerIsUsual ? 0 : port;
};

/**
 * Envoy's RedirectAction. `listener`: how requests reach the routes, as the caller of a gateway names it; absent in
 * sidecars, where the port that the caller named is kept.
 */
export const envoyRedirect = (
  action: RedirectAction,
  match: RouteMatch['path'],
  listener?: { readonly scheme: 'http' | 'https'; readonly port: number },
): EnvoyRedirect => ({
  ...(action.scheme !== undefined && { schemeRewriteSpecifier: { case: 'schemeRedirect', value: action.scheme } }),
  hostRedirect: action.host ?? '',
  portRedirect: portOf(action, listener),
  ...pathSpecifier(action, match),
  responseCode: CODES[action.status] ?? Code.FOUND,
});
