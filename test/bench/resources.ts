// What the gateways under test are given, as a user would write it. Used by cases.ts and memory.ts.
import { stringify } from 'yaml';
import type { Certificate } from './machine.ts';

const GATEWAY = 'gateway.networking.k8s.io/v1';
const inDefault = (name: string) => ({ name, namespace: 'default' });

export interface Place {
  readonly address: string;
  readonly port: number;
}

export interface Setup {
  readonly listen: Place;
  readonly backend: Place;
  readonly tls?: Certificate | undefined;
  /** What the backend speaks, where it isn't HTTP/1.1. */
  readonly appProtocol?: string;
}

/** A Gateway with one listener, and the Service that is behind it. */
export const gatewayAndBackend = ({ listen, backend, tls, appProtocol }: Setup): object[] => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const listener = tls
    ? { name: 'https', port: listen.port, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'bench' }] } }
    : { name: 'http', port: listen.port, protocol: 'HTTP' };
  return [
    {
      apiVersion: GATEWAY,
      kind: 'GatewayClass',
      metadata: { name: 'weft' },
      spec: { controllerName: 'weft.dev/gateway-controller' },
    },
    {
      apiVersion: GATEWAY,
      kind: 'Gateway',
      metadata: inDefault('bench'),
      spec: {
        gatewayClassName: 'weft',
        addresses: [{ type: 'IPAddress', value: listen.address }],
        listeners: [listener],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: inDefault('backend'),
      spec: { ports: [{ name: 'main', port: 80, targetPort: backend.port, appProtocol: appProtocol ?? 'http' }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...inDefault('backend'), labels: { 'kubernetes.io/service-name': 'backend' } },
      addressType: 'IPv4',
      ports: [{ name: 'main', port: backend.port }],
      endpoints: [{ addresses: [backend.address] }],
    },
    ...(tls
      ? [
          {
            apiVersion: 'v1',
            kind: 'Secret',
            metadata: inDefault('bench'),
            type: 'kubernetes.io/tls',
            data: { 'tls.crt': base64(tls.certPem), 'tls.key': base64(tls.keyPem) },
          },
        ]
      : []),
  ];
};

const httpRoute = (name: string, rule: object, spec: object = {}): object => ({
  apiVersion: GATEWAY,
  kind: 'HTTPRoute',
  metadata: inDefault(name),
  spec: {
    parentRefs: [{ name: 'bench' }],
    rules: [{ backendRefs: [{ name: 'backend', port: 80 }], ...rule }],
    ...spec,
  },
});

export const oneRoute = (): object[] => [httpRoute('all', {})];

/** Each with its own path and a header edit, over a hundred host names. */
export const manyRoutes = (count: number): object[] =>
  Array.from({ length: count }, (_, i) => {
    const set = [{ name: 'x-team', value: `team-${i}` }];
    const matches = [{ path: { type: 'PathPrefix', value: `/service-${i}` } }];
    const filters = [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set } }];
    return httpRoute(`route-${i}`, { matches, filters }, { hostnames: [`team-${i % 100}.example.com`] });
  });

export const FULL_ROUTES = 100;

const fullPath = (i: number): string => `/team-${i % 10}/service-${i}`;

/** One below each route, in an order that jumps about. */
export const fullPaths = (): string[] =>
  Array.from({ length: FULL_ROUTES }, (_, i) => `${fullPath((i * 37) % FULL_ROUTES)}/items`);

/** Many routes with header edits and retries, and policies for all of them: what a gateway in use has. */
export const fullRoutes = (): object[] => {
  const edits = (i: number) => [
    {
      type: 'RequestHeaderModifier',
      requestHeaderModifier: {
        set: [{ name: 'x-team', value: `team-${i % 10}` }],
        add: [{ name: 'x-via', value: 'edge' }],
        remove: ['x-debug'],
      },
    },
    {
      type: 'ResponseHeaderModifier',
      responseHeaderModifier: { set: [{ name: 'x-frame-options', value: 'DENY' }], remove: ['server'] },
    },
  ];
  const routes = Array.from({ length: FULL_ROUTES }, (_, i) =>
    httpRoute(`service-${i}`, {
      matches: [{ path: { type: 'PathPrefix', value: fullPath(i) } }],
      filters: edits(i),
      retry: { codes: [502, 503], attempts: 2, backoff: '25ms' },
      timeouts: { request: '15s', backendRequest: '5s' },
    }),
  );
  const targetRefs = [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'bench' }];
  const policy = (name: string, action: string, rules: object[]) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: inDefault(name),
    spec: { targetRefs, action, rules },
  });
  return [
    ...routes,
    policy('no-internals', 'DENY', [{ to: [{ operation: { paths: ['/internal/*', '*/debug'] } }] }]),
    policy('known-calls', 'ALLOW', [
      {
        from: [{ source: { remoteIpBlocks: ['127.0.0.0/8', '10.0.0.0/8'] } }],
        to: [{ operation: { methods: ['GET', 'POST'], paths: ['/team-*'] } }],
      },
    ]),
  ];
};

export const toYaml = (resources: readonly object[]): string =>
  resources.map((resource) => stringify(resource)).join('---\n');
