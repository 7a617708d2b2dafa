// What a path rewrite means, for both engines and for redirects, which share it.
import type { PathRewrite, RouteMatch } from '../../model/route.ts';
import type { UrlRewrite } from './schema.ts';

/** A prefix without its closing slashes, as path elements count: `/` and `` are both the empty prefix. */
export const trimPrefix = (prefix: string): string => {
  let end = prefix.length;
  while (end > 0 && prefix.charCodeAt(end - 1) === 47) end--;
  return prefix.slice(0, end);
};

/**
 * The path that a rewrite makes of a path which `match` matched. A prefix is replaced by path elements, and never
 * leaves an empty path; where the match was not by prefix the whole path is what matched.
 */
export const preparePathRewrite = (rewrite: PathRewrite, match: RouteMatch['path']): ((path: string) => string) => {
  const { value } = rewrite;
  if (rewrite.type === 'full' || match.type !== 'prefix') {
    const path = value.startsWith('/') ? value : `/${value}`;
    return () => path;
  }
  const length = trimPrefix(match.value).length;
  const replacement = trimPrefix(value && !value.startsWith('/') ? `/${value}` : value);
  return (path) => replacement + path.slice(length) || '/';
};

/** A target's own rewrite counts for what it names; the rest is its route's. */
export const mergeUrlRewrites = (filters: readonly UrlRewrite[]): Omit<UrlRewrite, 'type'> =>
  Object.assign(
    {},
    ...filters.map(({ host, path }) => ({ ...(host !== undefined && { host }), ...(path && { path }) })),
  );
