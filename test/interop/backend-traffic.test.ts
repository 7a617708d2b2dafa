// BackendTrafficPolicies from their manifests to both engines: what each field does to what routes lead to backends.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { parseProxyHeader } from '../../src/proxy/proxy-protocol/header.ts';
import { backend, ENGINES, freePorts, type GatewayEngine, LOOPBACK, startGateway } from '../fakes/gateway-engines.ts';
import { GrpcClient, type GrpcProgram, openGrpcProgram } from '../fakes/grpc-program.ts';
import { rawClient } from '../fakes/raw-peer.ts';

/** By the route's name, which is its host's first label too. */
const POLICIES: Readonly<Record<string, string>> = {
  slow: 'timeout: { http: { requestTimeout: 300ms } }',
  // As few of both as there can be: one request is served, one waits, the next is refused.
  narrow: 'circuitBreaker: { maxConnections: 1, maxPendingRequests: 1 }',
  brief: 'timeout: { http: { connectionIdleTimeout: 50ms } }',
  turns: 'loadBalancer: { type: RoundRobin }',
  statuses: 'retry: { numRetries: 2, retryOn: { triggers: [retriable-status-codes], httpStatusCodes: [418] } }',
  gateway: 'retry: { retryOn: { triggers: [gateway-error] } }',
  cut: 'retry: { retryOn: { triggers: [reset] } }',
  uncut: 'retry: { retryOn: { triggers: [retriable-status-codes], httpStatusCodes: [418] } }',
  tries: 'retry: { retryOn: { triggers: [reset] }, perRetry: { timeout: 300ms, backOff: { baseInterval: 1ms } } }',
  large: 'requestBuffer: { limit: 4 }',
};

const route = (name: string, policy: string, to = name === 'turns' ? 'pair' : 'app'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: default }
spec: { parentRefs: [{ name: edge }], hostnames: [${name}.test], rules: [{ backendRefs: [{ name: ${to}, port: 80 }] }] }
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: { name: ${name}, namespace: default }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: ${name} }]
  ${policy}
`;

const manifests = (
  ports: readonly number[],
  programs: Readonly<Record<'app' | 'calls' | 'raw' | 'pair', number>>,
): string[] => [
  `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  gatewayClassName: weft
  listeners:
    - { name: http, port: ${ports[0]}, protocol: HTTP }
    - { name: tcp, port: ${ports[1]}, protocol: TCP }
`,
  ...Object.entries(POLICIES).map(([name, policy]) => route(name, policy)),
  `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: calls, namespace: default }
spec: { parentRefs: [{ name: edge }], hostnames: [calls.test], rules: [{ backendRefs: [{ name: calls, port: 80 }] }] }
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: { name: calls, namespace: default }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: GRPCRoute, name: calls }]
  timeout: { tcp: { connectTimeout: 2s } }
  retry: { retryOn: { triggers: [resource-exhausted] }, perRetry: { backOff: { baseInterval: 1ms } } }
`,
  `
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: { name: raw, namespace: default }
spec: { parentRefs: [{ name: edge, sectionName: tcp }], rules: [{ backendRefs: [{ name: raw, port: 80 }] }] }
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: { name: tcp, namespace: default }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: edge, sectionName: tcp }]
  proxyProtocol: { version: V2 }
  timeout: { tcp: { connectTimeout: 2s } }
`,
  ...Object.entries(programs).map(([name, port]) => backend(name, port)),
  // The second endpoint of the pair.
  `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: pair-app, namespace: default, labels: { kubernetes.io/service-name: pair } }
addressType: IPv4
ports: [{ name: main, port: ${programs.app}, protocol: TCP }]
endpoints: [{ addresses: [${LOOPBACK}] }]
`,
];

const listen = async (server: Server | TcpServer): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  return (server.address() as { port: number }).port;
};

for (const name of ENGINES) {
  describe(`the engine ${name}`, () => {
    let app: Server;
    let pair: Server;
    let raw: TcpServer;
    let calls: GrpcProgram;
    let engine: GatewayEngine | undefined;
    let http = 0;
    let tcp = 0;
    /** What the program does with the next requests; without: it answers `done`. */
    let plan: ((request: IncomingMessage, response: ServerResponse) => void)[] = [];
    let asked = 0;
    let connections = 0;
    let firstBytes: (bytes: Buffer) => void = () => {};

    before(async () => {
      app = createServer((request, response) => {
        asked++;
        const act = plan.shift();
        if (act) act(request, response);
        else request.resume().on('end', () => response.end('done'));
      });
      app.on('connection', () => connections++);
      pair = createServer((_, response) => response.end('Gone'));
      raw = createTcpServer((socket) => {
        socket.on('error', () => {}).once('data', (bytes) => firstBytes(bytes));
      });
      calls = await openGrpcProgram();
      [http, tcp] = (await freePorts(2)) as [number, number];
      const programs = { app: await listen(app), calls: calls.port, raw: await listen(raw), pair: await listen(pair) };
      engine = await startGateway(name, manifests([http, tcp], programs));
    });
    after(async () => {
      await engine?.close();
      await calls?.close();
      app?.closeAllConnections();
      app?.close();
      pair?.closeAllConnections();
      pair?.close();
      raw?.close();
    });

    const send = async (host: string, options: RequestInit & { path?: string } = {}): Promise<string> => {
      const { method = 'GET', body = '' } = options;
      const peer = await rawClient(http);
      peer.write(
        `${method} / HTTP/1.1\r\nhost: ${host}.test\r\nconnection: close\r\n${body ? `content-length: ${String(body).length}\r\n` : ''}\r\n${body}`,
      );
      const answer = await peer.rest();
      peer.destroy();
      return answer.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length);
    };
    const planned = async (
      steps: typeof plan,
      run: () => Promise<string>,
    ): Promise<[status: string, asked: number]> => {
      plan = [...steps];
      asked = 0;
      const status = await run();
      plan = [];
      return [status, asked];
    };
    const answer = (status: number) => (_: IncomingMessage, response: ServerResponse) => {
      response.writeHead(status).end();
    };
    const reset = (request: IncomingMessage) => request.socket.resetAndDestroy();
    const never = () => {};

    it('ends a request at the time-out of the policy', async () => {
      assert.deepEqual(await planned([never], () => send('slow')), ['504', 1]);
    });

    it('retries the statuses that are named, as often as it is told', async () => {
      assert.deepEqual(await planned([answer(418), answer(418)], () => send('statuses')), ['200', 3]);
      assert.deepEqual(await planned([answer(418), answer(418), answer(418)], () => send('statuses')), ['418', 3]);
      assert.deepEqual(await planned([answer(502)], () => send('statuses')), ['502', 1]);
    });

    it('retries what gateways answer', async () => {
      assert.deepEqual(await planned([answer(502), answer(504)], () => send('gateway')), ['200', 3]);
      assert.deepEqual(await planned([answer(500)], () => send('gateway')), ['500', 1]);
    });

    it('never sends a POST twice', async () => {
      assert.deepEqual(await planned([answer(502)], () => send('gateway', { method: 'POST', body: 'a' })), ['502', 1]);
    });

    it('retries what is cut off only where it is told', async () => {
      assert.deepEqual(await planned([reset], () => send('cut')), ['200', 2]);
      // A connection that was used before may have been closed just then: that is tried again once.
      const [status] = await planned([reset, reset], () => send('uncut'));
      assert.equal(status, '503');
    });

    it('gives each attempt its time', async () => {
      assert.deepEqual(await planned([never], () => send('tries')), ['200', 2]);
    });

    it('answers 413 to a body that is too large', async () => {
      assert.deepEqual(await planned([], () => send('large', { method: 'POST', body: '01234' })), ['413', 0]);
      assert.deepEqual(await planned([], () => send('large', { method: 'POST', body: '0123' })), ['200', 1]);
      assert.deepEqual(await planned([], () => send('slow', { method: 'POST', body: '01234' })), ['200', 1]);
    });

    it('keeps to the limits of connections and of those who wait', async () => {
      const held: ServerResponse[] = [];
      const hold = new Promise<void>((resolve) => {
        plan = [
          (_, response) => {
            held.push(response);
            resolve();
          },
        ];
      });
      const first = send('narrow');
      await hold;
      // Of two more one waits; which one, nobody knows.
      const others = [send('narrow'), send('narrow')];
      assert.equal(await Promise.race(others), '503');
      held[0]!.end('done');
      assert.deepEqual([await first, ...(await Promise.all(others)).sort()], ['200', '200', '503']);
    });

    it('closes connections that are not used', async () => {
      const before = connections;
      const closed = new Promise<void>((resolve) => {
        app.once('connection', (socket) => socket.once('close', () => resolve()));
      });
      assert.equal(await send('brief'), '200');
      // Long before the program would do it, which waits for 5 s.
      await closed;
      assert.equal(connections, before + 1);
    });

    it('leads requests to endpoints in turn', async () => {
      const peer = await rawClient(http);
      const answers: string[] = [];
      for (let i = 0; i < 4; i++) {
        peer.write('GET / HTTP/1.1\r\nhost: turns.test\r\n\r\n');
        answers.push((await peer.take('one')).slice(-'done'.length));
      }
      peer.destroy();
      assert.deepEqual([answers[0], answers[1]], [answers[2], answers[3]]);
      assert.deepEqual(answers.slice(0, 2).sort(), ['Gone', 'done']);
    });

    it('retries calls by the status that is named', async () => {
      const client = new GrpcClient(http, 'calls.test');
      const exhausted = await client.once('a', { 'x-fail': '8', 'x-times': '2', 'x-key': `${name} named` });
      const internal = await client.once('a', { 'x-fail': '13', 'x-times': '1', 'x-key': `${name} other` });
      client.close();
      assert.deepEqual([exhausted.code, exhausted.body, internal.code], [0, 'a', 13]);
    });

    it('tells backends of a listener who the client is', async () => {
      const bytes = new Promise<Buffer>((resolve) => {
        firstBytes = resolve;
      });
      const peer = await rawClient(tcp);
      peer.write('hello');
      const header = parseProxyHeader(await bytes);
      assert.ok(typeof header === 'object');
      assert.equal(header.origin?.peerPort, peer.socket.localPort);
      peer.destroy();
    });
  });
}
