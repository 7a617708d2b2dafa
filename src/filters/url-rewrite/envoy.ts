// Path and host rewrites in Envoy's terms. Named by registry.ts; redirects use it too.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RouteActionSchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import type { PathRewrite, RouteMatch } from '../../model/route.ts';
import type { EnvoyFilter } from '../envoy-filter.ts';
import { mergeUrlRewrites, trimPrefix } from './path.ts';
import type { UrlRewrite } from './schema.ts';

export type EnvoyPathRewrite =
  | { readonly type: 'prefix'; readonly value: string }
  | { readonly type: 'regex'; readonly pattern: string; readonly substitution: string };

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const substitution = (text: string): string => text.replaceAll('\\', '\\\\');
const withSlash = (path: string): string => (path.startsWith('/') ? path : `/${path}`);

/** How Envoy has to be told to make the same path as `preparePathRewrite`; undefined when nothing changes. */
export const envoyPathRewrite = (rewrite: PathRewrite, match: RouteMatch['path']): EnvoyPathRewrite | undefined => {
  const { value } = rewrite;
  if (rewrite.type === 'full' || match.type !== 'prefix') {
    return { type: 'regex', pattern: '^.*$', substitution: substitution(withSlash(value)) };
  }
  const prefix = trimPrefix(match.value);
  const replacement = trimPrefix(value === '' ? value : withSlash(value));
  if (prefix === replacement) return undefined;
  // Envoy matches the empty prefix as `/`, whose slash it would replace too.
  if (prefix === '') return { type: 'prefix', value: `${replacement}/` };
  // An empty prefix_rewrite is no rewrite to Envoy, and `/` would double the slash behind the prefix.
  if (replacement === '') return { type: 'regex', pattern: `^${literal(prefix)}(?:/(.*))?$`, substitution: '/\\1' };
  return { type: 'prefix', value: replacement };
};

/** Fields of Envoy's RouteAction. */
export const envoyUrlRewrite = (
  rewrite: Omit<UrlRewrite, 'type'>,
  match: RouteMatch['path'],
): Pick<
  MessageInitShape<typeof RouteActionSchema> & object,
  'prefixRewrite' | 'regexRewrite' | 'hostRewriteSpecifier'
> => {
  const path = rewrite.path && envoyPathRewrite(rewrite.path, match);
  return {
    ...(path?.type === 'prefix' && { prefixRewrite: path.value }),
    ...(path?.type === 'regex' && {
      regexRewrite: { pattern: { regex: path.pattern }, substitution: path.substitution },
    }),
    ...(rewrite.host !== undefined && {
      hostRewriteSpecifier: { case: 'hostRewriteLiteral' as const, value: rewrite.host },
    }),
  };
};

export const envoyFilter: EnvoyFilter<UrlRewrite> = {
  route: (filters, { match }) => ({ action: envoyUrlRewrite(mergeUrlRewrites(filters), match.path) }),
};
