// What a route answers by itself, and what is said where there is none. Called by exchange.ts.

import type { RequestMessage } from '../http1/head.ts';
import type { PreparedHttp } from '../listen/chain.ts';
import type { PreparedRoute } from '../routes/router.ts';

export const answerHeaders = (
  action: Exclude<PreparedRoute['action'], { type: 'forward' }>,
  message: RequestMessage,
  scheme: 'http' | 'https',
  port: number,
): string[] => {
  const headers: string[] = [];
  if (action.type === 'redirect') headers.push('location', action.location(message, scheme, port));
  action.editResponse?.({ headers });
  return headers;
};

export const noRouteText = ({ handler, router }: PreparedHttp, host: string): string => {
  const isKnown = router.virtualHost(host) !== undefined;
  if (!handler.explicitProxy || isKnown) return 'no route for this host and path';
  const authority = /:[0-9]+$/.test(host) ? host : `${host}:80`;
  return `no service "${authority}" in the mesh; add a Service or ServiceEntry`;
};
