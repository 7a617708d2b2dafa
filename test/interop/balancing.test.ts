// How endpoints are chosen and watched, from BackendTrafficPolicies to both engines: the same requests must spread, and turn
// away from what is sick in the same way.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { until } from '../e2e/until.ts';
import { ENGINES, freePorts, type GatewayEngine, LOOPBACK, startGateway } from '../fakes/gateway-engines.ts';
import { rawClient } from '../fakes/raw-peer.ts';

const ENDPOINTS = 4;

/** By the route's name, which is its host's first label too. */
const POLICIES: Readonly<Record<string, string>> = {
  turns: 'loadBalancer: { type: RoundRobin }',
  random: 'loadBalancer: { type: Random }',
  least: 'loadBalancer: { type: LeastRequest }',
  header: 'loadBalancer: { type: ConsistentHash, consistentHash: { type: Header, header: { name: X-User } } }',
  ring: 'loadBalancer: { type: ConsistentHash, consistentHash: { type: Header, header: { name: x-user } } }',
  peak: 'loadBalancer: { type: LeastRequest }',
  slow: 'loadBalancer: { type: RoundRobin, slowStart: { window: 10s } }',
  passive: 'healthCheck: { passive: { consecutive5XxErrors: 2, maxEjectionPercent: 50 } }',
  active: 'healthCheck: { active: { type: HTTP, interval: 50ms, http: { path: /health, expectedStatuses: [204] } } }',
  both: `healthCheck: { passive: { consecutive5XxErrors: 1, maxEjectionPercent: 100, baseEjectionTime: 300s }, active: { type: HTTP, interval: 50ms, http: { path: /well } } }`,
  tcp: 'healthCheck: { active: { type: TCP, interval: 50ms, tcp: {} } }',
};

/** Of these the first two endpoints are in the gateway's zone. */
const ZONED: Readonly<Record<string, string>> = {
  near: 'loadBalancer: { type: Random }',
  weighted: 'loadBalancer: { type: Random, zoneAware: { weightedZones: [{ zone: eu-a, weight: 3 }] } }',
  lopsided: 'loadBalancer: { type: LeastRequest, zoneAware: { weightedZones: [{ zone: eu-b, weight: 9 }] } }',
  failover:
    'loadBalancer: { type: Random }, healthCheck: { active: { type: HTTP, interval: 50ms, http: { path: /health, expectedStatuses: [204] } } }',
  panic:
    'loadBalancer: { type: Random }, healthCheck: { panicThreshold: 60, active: { type: HTTP, interval: 50ms, http: { path: /panic, expectedStatuses: [204] } } }',
};

const ANNOTATIONS: Readonly<Record<string, string>> = { ring: 'RingHash', peak: 'PeakEWMA' };

const routeOf = (name: string, policy: string, to = 'pool'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: default }
spec: { parentRefs: [{ name: edge }], hostnames: [${name}.test], rules: [{ backendRefs: [{ name: ${to}, port: 80 }] }] }
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata:
  name: ${name}
  namespace: default
  annotations: { ${ANNOTATIONS[name] ? `weft.dev/load-balancing: ${ANNOTATIONS[name]}` : ''} }
spec:
  { targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: ${name} }], ${policy} }
`;

const sliceOf = (service: string, port: number, i: number, zone?: string): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${service}-${i}, namespace: default, labels: { kubernetes.io/service-name: ${service} } }
addressType: IPv4
ports: [{ name: main, port: ${port}, protocol: TCP }]
endpoints: [{ addresses: [${LOOPBACK}]${zone ? `, zone: ${zone}` : ''} }]
`;

const service = (name: string): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { ports: [{ name: main, port: 80, protocol: TCP }] }
`;

const manifests = (port: number, ports: readonly number[]): string[] => [
  `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: ${port}, protocol: HTTP }] }
`,
  ...Object.entries(POLICIES).map(([name, policy]) => routeOf(name, policy)),
  ...Object.entries(ZONED).map(([name, policy]) => routeOf(name, policy, 'zoned')),
  service('pool'),
  service('zoned'),
  ...ports.map((own, i) => sliceOf('pool', own, i)),
  ...ports.map((own, i) => sliceOf('zoned', own, i, i < 2 ? 'eu-a' : 'eu-b')),
];

interface Program {
  readonly server: Server;
  readonly port: number;
  /** Of requests, and of questions for its health. */
  status: number;
  health: number;
  served: number;
}

const openProgram = async (name: number, port = 0): Promise<Program> => {
  const server = createServer((request, response) => {
    if (request.url === '/health' || request.url === '/well' || request.url === '/panic') {
      response.writeHead(request.url === '/well' ? 200 : program.health).end();
      return;
    }
    program.served++;
    response.writeHead(program.status, { 'x-endpoint': String(name) }).end();
  });
  await new Promise<void>((resolve) => server.listen(port, LOOPBACK, resolve));
  const program: Program = {
    server,
    port: (server.address() as { port: number }).port,
    status: 200,
    health: 204,
    served: 0,
  };
  return program;
};

const closeProgram = ({ server }: Program): Promise<void> => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
};

/** Of one in a hundred thousand that are drawn evenly, with three degrees of freedom. */
const LARGEST_CHI_SQUARE = 25.9;

const chiSquare = (counts: readonly number[], shares: readonly number[]): number => {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce((sum, count, i) => sum + (count - total * shares[i]!) ** 2 / (total * shares[i]!), 0);
};

const EVEN = Array.from({ length: ENDPOINTS }, () => 1 / ENDPOINTS);

for (const name of ENGINES) {
  describe(`the engine ${name}`, () => {
    const programs: Program[] = [];
    let engine: GatewayEngine | undefined;
    let http = 0;

    before(async () => {
      for (let i = 0; i < ENDPOINTS; i++) programs.push(await openProgram(i));
      [http] = (await freePorts(1)) as [number];
      const ports = programs.map(({ port }) => port);
      engine = await startGateway(name, manifests(http, ports), { locality: 'eu/eu-a' });
    });
    after(async () => {
      await engine?.close();
      await Promise.all(programs.map(closeProgram));
    });

    /** Many requests over one connection; the endpoint that answered each, and its head. */
    const ask = async (host: string, requests: readonly { path?: string; fields?: string }[]) => {
      const peer = await rawClient(http);
      requests.forEach(({ path = '/', fields = '' }, i) => {
        const close = i === requests.length - 1 ? 'connection: close\r\n' : '';
        peer.write(`GET ${path} HTTP/1.1\r\nhost: ${host}.test\r\n${fields}${close}\r\n`);
      });
      const text = await peer.rest();
      peer.destroy();
      const heads = text.split(/(?=HTTP\/1\.1 [0-9]{3} )/);
      return heads.map((head) => ({
        status: Number(head.slice(9, 12)),
        endpoint: Number(/x-endpoint: ([0-9])/.exec(head)?.[1] ?? -1),
        head,
      }));
    };

    const times = (count: number, of: (i: number) => { path?: string; fields?: string } = () => ({})) =>
      Array.from({ length: count }, (_, i) => of(i));

    const spread = async (host: string, requests: readonly { path?: string; fields?: string }[]): Promise<number[]> => {
      const counts = Array.from({ length: ENDPOINTS }, () => 0);
      for (const { endpoint } of await ask(host, requests)) counts[endpoint]!++;
      return counts;
    };

    it('takes endpoints in turn', async () => {
      // An Envoy has two workers, each with a turn of its own; one connection is of one of them.
      assert.deepEqual(await spread('turns', times(40)), [10, 10, 10, 10]);
    });

    for (const host of ['random', 'least', 'peak']) {
      it(`spreads requests over all endpoints: ${host}`, async () => {
        const counts = await spread(host, times(400));
        if (host === 'random') assert.ok(chiSquare(counts, EVEN) < LARGEST_CHI_SQUARE, String(counts));
        else assert.ok(Math.min(...counts) > (host === 'peak' ? 0 : 40), String(counts));
      });
    }

    for (const host of ['header', 'ring']) {
      it(`sends what has the same hash to the same endpoint, and users to all: ${host}`, async () => {
        const users = 400;
        const of = (user: number) => ({ fields: `x-user: user-${user}\r\n` });
        const first = (await ask(host, times(users, of))).map(({ endpoint }) => endpoint);
        const second = (await ask(host, times(users, of))).map(({ endpoint }) => endpoint);
        assert.deepEqual(second, first);
        const counts = programs.map((_, i) => first.filter((one) => one === i).length);
        // A ring's shares differ from one another; a table's hardly do.
        if (host === 'ring') assert.ok(Math.min(...counts) > 40, String(counts));
        else assert.ok(chiSquare(counts, EVEN) < LARGEST_CHI_SQUARE, String(counts));
      });
    }

    it('asks the endpoints of its own zone alone while they are well', async () => {
      const [a = 0, b = 0, ...far] = await spread('near', times(200));
      assert.deepEqual(far, [0, 0]);
      assert.ok(Math.min(a, b) > 60, `${a} ${b}`);
    });

    for (const [host, shares] of Object.entries({ weighted: [3, 3, 1, 1], lopsided: [1, 1, 9, 9] })) {
      it(`gives zones their weights: ${host}`, async () => {
        const counts = await spread(host, times(600));
        const zones = [counts[0]! + counts[1]!, counts[2]! + counts[3]!];
        const total = shares.reduce((sum, share) => sum + share, 0);
        const wanted = [(2 * shares[0]!) / total, (2 * shares[2]!) / total];
        assert.ok(chiSquare(zones, wanted) < LARGEST_CHI_SQUARE, String(counts));
        assert.ok(Math.min(...counts) > 3, String(counts));
      });
    }

    const whileSick = async (sick: number, host: string, isSo: (counts: readonly number[]) => boolean) => {
      programs[sick]!.health = 503;
      try {
        await until('its checks to fail', async () => isSo(await spread(host, times(100))));
        return await spread(host, times(600));
      } finally {
        programs[sick]!.health = 204;
      }
    };

    it('gives others as much as its zone is too sick for', async () => {
      const counts = await whileSick(0, 'failover', ([sick]) => sick === 0);
      // One of two, times 1.4.
      assert.ok(chiSquare(counts.slice(1), [0.7, 0.15, 0.15]) < LARGEST_CHI_SQUARE, String(counts));
    });

    it('uses all of a zone again where too few of it are well', async () => {
      // Both zones have one each: together 140%, which is enough not to panic.
      const counts = await whileSick(0, 'panic', ([sick, , c = 0]) => sick === 0 && c > 0);
      assert.equal(counts[0], 0);
      programs[2]!.health = 503;
      programs[3]!.health = 503;
      try {
        // Now one of four: 70%, and below 60% in both zones.
        const all = await whileSick(0, 'panic', ([a = 0, , c = 0, d = 0]) => Math.min(a, c, d) > 0);
        assert.ok(chiSquare(all, EVEN) < LARGEST_CHI_SQUARE, String(all));
      } finally {
        programs[2]!.health = 204;
        programs[3]!.health = 204;
      }
    });

    it('leaves an endpoint out that answers badly', async () => {
      const bad = programs[1]!;
      bad.status = 500;
      try {
        await until('the bad endpoint gets nothing more', async () => {
          await ask('passive', times(40));
          const { served } = bad;
          await ask('passive', times(40));
          return bad.served === served;
        });
      } finally {
        bad.status = 200;
      }
    });

    it('leaves an endpoint out while its checks fail, and takes it back when they pass', async () => {
      const sick = programs[2]!;
      sick.health = 503;
      const served = async () => {
        const before = sick.served;
        await ask('active', times(20));
        return sick.served - before;
      };
      try {
        await until('the sick endpoint gets nothing more', async () => (await served()) === 0);
      } finally {
        sick.health = 204;
      }
      await until('it gets requests again', async () => (await served()) > 0);
    });

    it('takes an endpoint back that was left out, as soon as it passes a check', async () => {
      const bad = programs[3]!;
      bad.status = 500;
      await until('it is asked', async () => (await ask('both', times(20))).some(({ status }) => status === 500));
      bad.status = 200;
      await until(
        'it is asked again, long before its time is over',
        async () => (await spread('both', times(20)))[3]! > 0,
      );
    });

    it('leaves out what takes no connections, and takes it back', async () => {
      const { port } = programs[0]!;
      await closeProgram(programs[0]!);
      const served = async () => (await spread('tcp', times(20)))[0]!;
      await until('the others get all', async () => (await served()) === 0 && (await served()) === 0);
      programs[0] = await openProgram(0, port);
      await until('it gets requests again', async () => (await served()) > 0);
    });
  });
}
