// Each kind of health check on both engines: what is asked, and which answers are good ones. Two endpoints each, of which one
// answers wrongly and must get nothing.
import assert from 'node:assert/strict';
import { createServer as createHttp, type Server } from 'node:http';
import { createServer, type Http2Server } from 'node:http2';
import { connect, createServer as createTcp, type Server as TcpServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { numberField } from '../../src/lib/protobuf.ts';
import { until } from '../e2e/until.ts';
import { ENGINES, freePorts, type GatewayEngine, LOOPBACK, startGateway } from '../fakes/gateway-engines.ts';
import { rawClient } from '../fakes/raw-peer.ts';

const POLICIES: Readonly<Record<string, string>> = {
  text: 'type: HTTP, http: { path: "/health?a=1", method: POST, hostname: Check.test, expectedResponse: { type: Text, text: fine } }',
  binary: `type: HTTP, http: { path: /health, expectedStatuses: [200, 299], expectedResponse: { type: Binary, binary: ${Buffer.from('ine').toString('base64')} } }`,
  calls: 'type: GRPC, grpc: { service: shop.Cart }',
  bytes: 'type: TCP, tcp: { send: { type: Text, text: "PING\\r\\n" }, receive: { type: Text, text: PONG } }',
};
const BACKENDS: Readonly<Record<string, string>> = { text: 'web', binary: 'web', calls: 'calls', bytes: 'bytes' };

const policyOf = (name: string, kind: string): string => `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: { name: ${name}, namespace: default }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: ${kind}, name: ${name} }]
  loadBalancer: { type: ${name === 'bytes' ? 'ConsistentHash, consistentHash: { type: SourceIP }' : 'RoundRobin'} }
  healthCheck: { active: { interval: 50ms, timeout: 2s, unhealthyThreshold: 1, ${POLICIES[name]} } }
`;

const routeOf = (name: string, listener: string, kind: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: default }
spec:
  parentRefs: [{ name: edge, sectionName: ${listener} }]
  ${kind === 'HTTPRoute' ? `hostnames: [${name}.test]` : ''}
  rules: [{ backendRefs: [{ name: ${BACKENDS[name]}, port: 80 }] }]
---${policyOf(name, kind)}`;

const backendOf = (name: string, ports: readonly number[]): string =>
  [
    `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { ports: [{ name: main, port: 80, protocol: TCP${name === 'calls' ? ', appProtocol: kubernetes.io/h2c' : ''} }] }
`,
    ...ports.map(
      (port, i) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-${i}, namespace: default, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: main, port: ${port}, protocol: TCP }]
endpoints: [{ addresses: [${LOOPBACK}] }]
`,
    ),
  ].join('---');

type AnyServer = Server | Http2Server | TcpServer;

const listen = async (server: AnyServer): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, () => resolve()));
  return (server.address() as { port: number }).port;
};

/** What each asks, as `who: what`. */
const asked = new Set<string>();

const web = (isGood: boolean): Server =>
  createHttp((request, response) => {
    if (!request.url?.startsWith('/health')) {
      response.end(isGood ? 'good' : 'bad');
      return;
    }
    asked.add(`${request.method} ${request.url} ${request.headers.host?.split(':')[0]}`);
    request.resume();
    response.end(isGood ? 'all is fine' : 'alas');
  });

const calls = (isGood: boolean): Http2Server =>
  createServer().on('stream', (stream, headers) => {
    stream.on('error', () => {});
    if (headers[':path'] !== '/grpc.health.v1.Health/Check') {
      stream.respond({ ':status': 200 });
      stream.end(isGood ? 'good' : 'bad');
      return;
    }
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => {
      asked.add(`call ${Buffer.concat(pieces).subarray(7).toString()}`);
      const message = numberField(1, isGood ? 1 : 2);
      const head = Buffer.alloc(5);
      head.writeUInt32BE(message.length, 1);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.concat([head, message]));
    });
  });

const bytes = (isGood: boolean): TcpServer =>
  createTcp((socket) => {
    socket
      .on('error', () => {})
      .on('data', (data) => {
        const text = data.toString();
        if (text !== 'PING\r\n') socket.end(isGood ? 'good' : 'bad');
        else socket.write(isGood ? '+PONG\r\n' : '-ERR\r\n');
      });
  });

for (const name of ENGINES) {
  describe(`the engine ${name}`, () => {
    const servers: AnyServer[] = [];
    let engine: GatewayEngine | undefined;
    let http = 0;
    let tcp = 0;

    before(async () => {
      const open = async (make: (isGood: boolean) => AnyServer) => {
        const pair = [make(true), make(false)];
        servers.push(...pair);
        return Promise.all(pair.map(listen));
      };
      const ports = { web: await open(web), calls: await open(calls), bytes: await open(bytes) };
      [http, tcp] = (await freePorts(2)) as [number, number];
      asked.clear();
      engine = await startGateway(name, [
        `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  gatewayClassName: weft
  listeners: [{ name: http, port: ${http}, protocol: HTTP }, { name: tcp, port: ${tcp}, protocol: TCP }]
`,
        ...['text', 'binary', 'calls'].map((one) => routeOf(one, 'http', 'HTTPRoute')),
        routeOf('bytes', 'tcp', 'TCPRoute'),
        ...Object.entries(ports).map(([one, own]) => backendOf(one, own)),
      ]);
    });
    after(async () => {
      await engine?.close();
      for (const server of servers) {
        if ('closeAllConnections' in server) server.closeAllConnections();
        server.close();
      }
    });

    const ask = async (host: string): Promise<string> => {
      const peer = await rawClient(http);
      peer.write(`GET / HTTP/1.1\r\nhost: ${host}.test\r\nconnection: close\r\n\r\n`);
      const answer = await peer.rest();
      peer.destroy();
      return /good|bad/.exec(answer)?.[0] ?? answer;
    };

    const askBytes = (): Promise<string> =>
      new Promise((resolve) => {
        let text = '';
        const socket = connect(tcp, LOOPBACK, () => socket.write('hello'));
        socket.setEncoding('latin1').on('data', (data) => {
          text += data;
        });
        socket.on('error', () => {}).on('close', () => resolve(text));
      });

    const isGoodAlone = async (one: () => Promise<string>): Promise<boolean> => {
      const answers: string[] = [];
      for (let i = 0; i < 8; i++) answers.push(await one());
      return answers.every((answer) => answer === 'good');
    };

    for (const host of ['text', 'binary', 'calls']) {
      it(`sends requests to the endpoint that passes alone: ${host}`, async () => {
        await until('the other one to be left out', () => isGoodAlone(() => ask(host)));
      });
    }

    it('sends connections to the endpoint that passes alone', async () => {
      await until('the other one to be left out', () => isGoodAlone(askBytes));
    });

    it('asks what it is told to ask', () => {
      assert.ok(asked.has('POST /health?a=1 check.test'), [...asked].join());
      assert.ok(asked.has('GET /health web'), [...asked].join());
      assert.ok(asked.has('call shop.Cart'), [...asked].join());
    });
  });
}
