// The own engine's URL rewrite: changes path and host of a request head in place. Called by proxy/router.
import { headerOf, type RequestHead } from '../../model/http.ts';
import type { RouteMatch, UrlRewrite } from '../../model/route.ts';
import { setHeader } from '../header-modifier/proxy.ts';
import { preparePathRewrite } from './path.ts';

/** Undefined when nothing is rewritten. The `host` header, where the head has one, follows the new host. */
export const prepareUrlRewrite = (
  rewrite: UrlRewrite | undefined,
  match: RouteMatch['path'],
): ((head: RequestHead) => void) | undefined => {
  if (!rewrite || (rewrite.host === undefined && !rewrite.path)) return undefined;
  const { host } = rewrite;
  const newPath = rewrite.path ? preparePathRewrite(rewrite.path, match) : undefined;
  return (head) => {
    if (newPath) head.path = newPath(head.path);
    if (host === undefined) return;
    head.host = host;
    if (headerOf(head, 'host') !== undefined) setHeader(head.headers, 'host', host);
  };
};
