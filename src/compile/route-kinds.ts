// Every kind of route that compile knows, and which of them a listener takes. Used by compiler.ts, routing.ts and listeners.ts.
import { GATEWAY_GROUP } from '../kinds/route-parts.ts';
import { compileGrpcRoute } from './grpc-routes.ts';
import { compileHttpRoute } from './http-routes.ts';
import type { RouteKind } from './routes.ts';
import { compileStreamRoute } from './stream-routes.ts';

const httpRoute = {
  kind: 'HTTPRoute',
  backends: 'http',
  lost: 'requests for this backend get 500',
  compile: compileHttpRoute,
} as const;

const grpcRoute = {
  kind: 'GRPCRoute',
  backends: 'grpc',
  lost: 'calls for this backend get the status UNAVAILABLE',
  compile: compileGrpcRoute,
} as const;

const stream = { lost: 'connections for this backend are closed', compile: compileStreamRoute };
const tlsRoute = { kind: 'TLSRoute', backends: 'tcp', ...stream } as const;
const tcpRoute = { kind: 'TCPRoute', backends: 'tcp', ...stream } as const;
const udpRoute = {
  kind: 'UDPRoute',
  backends: 'udp',
  ...stream,
  lost: 'datagrams for this backend are dropped',
} as const;

/** A kind compiles the specs of its own resources alone, which have passed its schema. */
export const routeKinds = [httpRoute, grpcRoute, tlsRoute, tcpRoute, udpRoute] as unknown as readonly RouteKind[];

export const routeKindId = (kind: string): string => `${GATEWAY_GROUP}/${kind}`;

/** By protocol of a listener, and `mode` of its tls for TLS. */
const TAKEN: Readonly<Record<string, readonly { readonly kind: string }[]>> = {
  HTTP: [httpRoute, grpcRoute],
  HTTPS: [httpRoute, grpcRoute],
  'TLS/Passthrough': [tlsRoute],
  'TLS/Terminate': [tlsRoute, tcpRoute],
  TCP: [tcpRoute],
  UDP: [udpRoute],
};

export const routeKindsFor = (protocol: string, mode?: string): { group: string; kind: string }[] =>
  (TAKEN[protocol === 'TLS' ? `TLS/${mode}` : protocol] ?? []).map(({ kind }) => ({ group: GATEWAY_GROUP, kind }));
