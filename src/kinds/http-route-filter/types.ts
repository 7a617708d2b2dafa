// The spec of an HTTPRouteFilter, as it is after defaults. Used by compile.
import type { HeaderModifierSpec } from '../http-route/types.ts';

export interface HttpRouteFilterSpec {
  readonly directResponse?: DirectResponseSpec;
  readonly urlRewrite?: unknown;
  readonly credentialInjection?: unknown;
  readonly requestMirror?: unknown;
  readonly matches?: readonly unknown[];
}

export interface DirectResponseSpec {
  readonly contentType?: string;
  readonly body?: {
    readonly type: 'Inline' | 'ValueRef';
    readonly inline?: string;
    readonly valueRef?: { readonly group: string; readonly kind: string; readonly name: string };
  };
  readonly statusCode?: number;
  readonly header?: HeaderModifierSpec;
}
