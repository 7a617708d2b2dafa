// Every filter, in the order in which they act on a request. A new filter is a folder beside this file and one line here.

export interface FilterEntry {
  /** Its folder. */
  readonly name: string;
  /** Where it stands in a route of the model, or of the Gateway API. */
  readonly field: string;
  /** `request` before a target is called, `answer` instead of a call, `response` on the way back. */
  readonly acts: readonly ('request' | 'answer' | 'response')[];
}

export const filterOrder: readonly FilterEntry[] = [
  { name: 'request-redirect', field: 'RequestRedirect', acts: ['answer'] },
  { name: 'header-modifier', field: 'RequestHeaderModifier, ResponseHeaderModifier', acts: ['request', 'response'] },
  { name: 'url-rewrite', field: 'URLRewrite', acts: ['request'] },
];
