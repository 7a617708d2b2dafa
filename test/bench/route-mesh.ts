// The mesh that routes.ts measures: `weft up` without the demo, several Gateways on free ports, and routes spread over
// namespaces and host names. Called by routes.ts.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { findFreePort } from '../../src/app/ports.ts';
import type { Client } from '../../src/client/client.ts';
import { findKind } from '../../src/kinds/registry.ts';
import type { Resource } from '../../src/model/resource.ts';
import { type Mesh, startMesh } from '../e2e/mesh.ts';

export const LOOPBACK = '127.0.0.1';
const GATEWAY_API = 'gateway.networking.k8s.io/v1';
export const HTTP_ROUTE = findKind(GATEWAY_API, 'HTTPRoute')!;
export const GATEWAY = findKind(GATEWAY_API, 'Gateway')!;
export const SYSTEM = 'weft-system';
const GATEWAYS = 5;
const NAMESPACES = 100;
const HOSTNAMES = 1_000;

export interface RouteMesh {
  readonly mesh: Mesh;
  readonly client: Client;
  /** Of the Gateways, in order. */
  readonly ports: readonly number[];
  pid(role: 'control' | 'gateway' | 'envoy'): number | undefined;
  close(): Promise<void>;
}

export const namespaceOf = (i: number): string => `team-${i % NAMESPACES}`;
export const hostnameOf = (i: number): string => `app-${i % HOSTNAMES}.example.com`;
export const pathOf = (i: number): string => `/service-${i}`;

const gatewayName = (i: number): string => `edge-${i % GATEWAYS}`;

export const routeResource = (i: number, edit = 0): Resource => ({
  apiVersion: GATEWAY_API,
  kind: 'HTTPRoute',
  metadata: { name: `route-${i}`, namespace: namespaceOf(i) },
  spec: {
    parentRefs: [{ name: gatewayName(i), namespace: SYSTEM }],
    hostnames: [hostnameOf(i)],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: pathOf(i) } }],
        filters: [
          { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-edit', value: `${edit}` }] } },
        ],
        backendRefs: [{ name: 'backend', port: 80 }],
      },
    ],
  },
});

/** Answers by itself, so that only the configuration counts; each with a host name of its own. */
export const probeResource = (i: number, edit: number): Resource => ({
  apiVersion: GATEWAY_API,
  kind: 'HTTPRoute',
  metadata: { name: `probe-${i}`, namespace: namespaceOf(i) },
  spec: {
    parentRefs: [{ name: gatewayName(i), namespace: SYSTEM }],
    hostnames: [`probe-${i}.example.com`],
    rules: [{ filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: `edit-${edit}.example.com` } }] }],
  },
});

const openBackend = async (): Promise<Server> => {
  const server = createServer((_, response) => response.end('ok'));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  return server;
};

const put = (client: Client, resource: Resource) =>
  client.create(findKind(resource.apiVersion, resource.kind)!, resource);

export const ground = (ports: readonly number[], backendPort: number): Resource[] => [
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'open', namespace: SYSTEM },
    spec: { action: 'ALLOW', rules: [{}] },
  },
  ...ports.map((port, i) => ({
    apiVersion: GATEWAY_API,
    kind: 'Gateway',
    metadata: { name: gatewayName(i), namespace: SYSTEM },
    spec: {
      gatewayClassName: 'weft',
      listeners: [{ name: 'http', port, protocol: 'HTTP', allowedRoutes: { namespaces: { from: 'All' } } }],
    },
  })),
  ...Array.from({ length: NAMESPACES }, (_, i) => namespaceOf(i)).flatMap((namespace) => [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'backend', namespace },
      spec: { ports: [{ name: 'http', port: 80 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'backend', namespace, labels: { 'kubernetes.io/service-name': 'backend' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: backendPort }],
      endpoints: [{ addresses: [LOOPBACK] }],
    },
  ]),
];

const ROLES = {
  control: (args: readonly string[]) => args.includes('control'),
  gateway: (args: readonly string[]) => args.includes('proxy') && args.includes('--role=gateway'),
  envoy: (args: readonly string[]) => /envoy$/.test(args[0] ?? ''),
};

/** Without routes yet. */
export const openRouteMesh = async (engine: 'weft' | 'envoy'): Promise<RouteMesh> => {
  const backend = await openBackend();
  const mesh = await startMesh({ engine, flags: ['--no-demo'] });
  const client = mesh.client();
  const ports: number[] = [];
  for (let i = 0; i < GATEWAYS; i++) ports.push(await findFreePort(LOOPBACK));
  for (const resource of ground(ports, (backend.address() as AddressInfo).port)) await put(client, resource);
  return {
    mesh,
    client,
    ports,
    pid: (role) => mesh.processes().find(({ args }) => ROLES[role](args))?.pid,
    close: async () => {
      await mesh.stop();
      backend.closeAllConnections();
      backend.close();
    },
  };
};
