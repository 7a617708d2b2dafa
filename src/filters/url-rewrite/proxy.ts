// The own engine's URL rewrite: changes path and host of a request head in place. Named by registry.ts.
import { headerOf, type RequestHead } from '../../model/http.ts';
import type { RouteMatch } from '../../model/route.ts';
import type { OwnFilter } from '../filter.ts';
import { setHeader } from '../header-modifier/proxy.ts';
import { mergeUrlRewrites, preparePathRewrite } from './path.ts';
import type { UrlRewrite } from './schema.ts';

/** Undefined when nothing is rewritten. The `host` header, where the head has one, follows the new host. */
export const prepareUrlRewrite = (
  rewrite: Omit<UrlRewrite, 'type'>,
  match: RouteMatch['path'],
): ((head: RequestHead) => void) | undefined => {
  if (rewrite.host === undefined && !rewrite.path) return undefined;
  const { host } = rewrite;
  const newPath = rewrite.path ? preparePathRewrite(rewrite.path, match) : undefined;
  return (head) => {
    if (newPath) head.path = newPath(head.path);
    if (host === undefined) return;
    head.host = host;
    if (headerOf(head, 'host') !== undefined) setHeader(head.headers, 'host', host);
  };
};

export const urlRewrite: OwnFilter<UrlRewrite> = {
  prepare(filters, { route }) {
    const editRequest = prepareUrlRewrite(mergeUrlRewrites(filters), route.match.path);
    return editRequest ? { editRequest } : {};
  },
};
