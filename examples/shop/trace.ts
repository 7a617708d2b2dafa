// The headers that tie the calls of one request together. A program that calls others passes them on, here front and orders.
import type { IncomingHttpHeaders } from 'node:http';

const PASSED_ON = ['x-request-id', 'traceparent', 'tracestate'];

export const traceHeaders = (received: IncomingHttpHeaders): Record<string, string> => {
  const headers: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = received[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
};
