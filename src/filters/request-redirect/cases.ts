// Redirects that both engines must answer alike: action, request, Location. Default ports may be named or not.
import type { RedirectAction, RouteMatch } from '../../model/route.ts';

export interface RedirectCase {
  readonly action: Partial<RedirectAction>;
  readonly match?: RouteMatch['path'];
  /** How the request came in; no port in a sidecar. */
  readonly listener: { readonly scheme: 'http' | 'https'; readonly port?: number };
  readonly host: string;
  /** With query. */
  readonly path: string;
  readonly location: string;
}

const plain = { listener: { scheme: 'http', port: 80 }, host: 'shop.test', path: '/a/b?c=d' } as const;
const odd = { listener: { scheme: 'http', port: 8080 }, host: 'shop.test:8080', path: '/a/b?c=d' } as const;
const secure = { listener: { scheme: 'https', port: 443 }, host: 'shop.test', path: '/a' } as const;
const under = { type: 'prefix', value: '/a' } as const;

export const redirectCases: Readonly<Record<string, RedirectCase>> = {
  'to https, with its own port': { ...plain, action: { scheme: 'https' }, location: 'https://shop.test/a/b?c=d' },
  'to https from an odd port': { ...odd, action: { scheme: 'https' }, location: 'https://shop.test/a/b?c=d' },
  'to https on a given port': {
    ...plain,
    action: { scheme: 'https', port: 8443 },
    location: 'https://shop.test:8443/a/b?c=d',
  },
  'to the scheme it came with': { ...odd, action: { scheme: 'http' }, location: 'http://shop.test/a/b?c=d' },
  'to a host, with the listener port': {
    ...odd,
    action: { host: 'new.test' },
    location: 'http://new.test:8080/a/b?c=d',
  },
  'to a host, the port being usual': { ...plain, action: { host: 'new.test' }, location: 'http://new.test/a/b?c=d' },
  'to a host over https': {
    ...odd,
    action: { host: 'new.test', scheme: 'https' },
    location: 'https://new.test/a/b?c=d',
  },
  'to a port': { ...plain, action: { port: 8081 }, location: 'http://shop.test:8081/a/b?c=d' },
  'to the usual port from an odd one': { ...odd, action: { port: 80 }, location: 'http://shop.test/a/b?c=d' },
  'a path alone keeps host and port': {
    ...odd,
    action: { path: { type: 'full', value: '/x' } },
    location: 'http://shop.test:8080/x?c=d',
  },
  'a prefix is replaced': {
    ...plain,
    match: under,
    action: { path: { type: 'prefix', value: '/new' } },
    location: 'http://shop.test/new/b?c=d',
  },
  'a prefix is taken away': {
    ...plain,
    match: under,
    action: { path: { type: 'prefix', value: '/' } },
    location: 'http://shop.test/b?c=d',
  },
  'on a listener with TLS': { ...secure, action: { host: 'new.test' }, location: 'https://new.test/a' },
  'from TLS down to http': { ...secure, action: { scheme: 'http' }, location: 'http://shop.test/a' },
  'in a sidecar the port stays as the caller named it': {
    listener: { scheme: 'http' },
    host: 'reviews:9080',
    path: '/a',
    action: { path: { type: 'full', value: '/x' } },
    location: 'http://reviews:9080/x',
  },
};
