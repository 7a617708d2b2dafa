// Path and host that the upstream sees, as a route has them.
import type { PathRewrite } from '../../model/route.ts';

declare module '../../model/route.ts' {
  interface RouteFilterTypes {
    readonly urlRewrite: UrlRewrite;
  }
}

export interface UrlRewrite {
  readonly type: 'url-rewrite';
  readonly host?: string;
  readonly path?: PathRewrite;
}
