// Rewrites that both engines must make alike: a route's match and rewrite, a path, what the upstream gets.
import type { RouteMatch } from '../../model/route.ts';
import type { UrlRewrite } from './schema.ts';

export interface RewriteCase {
  readonly match: RouteMatch['path'];
  readonly rewrite: Omit<UrlRewrite, 'type'>;
  /** Path (with query) before → after. */
  readonly paths: Readonly<Record<string, string>>;
}

const prefix = (value: string, replacement: string) => ({
  match: { type: 'prefix' as const, value },
  rewrite: { path: { type: 'prefix' as const, value: replacement } },
});

/** The request's host is `before.test`; after, it is `rewrite.host` where there is one. */
export const rewriteCases: Readonly<Record<string, RewriteCase>> = {
  'a prefix is replaced by elements': {
    ...prefix('/foo', '/xyz'),
    paths: { '/foo': '/xyz', '/foo/': '/xyz/', '/foo/bar': '/xyz/bar', '/foo/bar?a=/foo': '/xyz/bar?a=/foo' },
  },
  'closing slashes of the replacement do not count': {
    ...prefix('/foo', '/xyz/'),
    paths: { '/foo': '/xyz', '/foo/bar': '/xyz/bar' },
  },
  'closing slashes of the prefix do not count': {
    ...prefix('/foo/', '/xyz'),
    paths: { '/foo': '/xyz', '/foo/bar': '/xyz/bar' },
  },
  'an empty replacement leaves the rest': {
    ...prefix('/foo', ''),
    paths: { '/foo': '/', '/foo/': '/', '/foo/bar': '/bar', '/foo?q': '/?q' },
  },
  'the root as replacement is the same': {
    ...prefix('/foo', '/'),
    paths: { '/foo': '/', '/foo/': '/', '/foo/bar': '/bar', '/foo//bar': '//bar' },
  },
  'the root as prefix puts elements in front': {
    ...prefix('/', '/xyz'),
    paths: { '/': '/xyz/', '/a': '/xyz/a', '/a/b?c': '/xyz/a/b?c' },
  },
  'the root by the root changes nothing': { ...prefix('/', '/'), paths: { '/': '/', '/a': '/a' } },
  'letters that mean something to patterns': {
    ...prefix('/a.b+(c)', '/'),
    paths: { '/a.b+(c)/x': '/x' },
  },
  'a full path replaces all but the query': {
    match: { type: 'prefix', value: '/foo' },
    rewrite: { path: { type: 'full', value: '/one/\\1' } },
    paths: { '/foo/bar?q=1': '/one/\\1?q=1', '/foo': '/one/\\1' },
  },
  'a full path behind an exact match': {
    match: { type: 'exact', value: '/foo' },
    rewrite: { path: { type: 'full', value: '/one' } },
    paths: { '/foo?q': '/one?q' },
  },
  'host alone': {
    match: { type: 'prefix', value: '/' },
    rewrite: { host: 'after.test' },
    paths: { '/a?b': '/a?b' },
  },
  'host and path': {
    match: { type: 'prefix', value: '/foo' },
    rewrite: { host: 'after.test:81', path: { type: 'prefix', value: '/bar' } },
    paths: { '/foo/a': '/bar/a' },
  },
};
