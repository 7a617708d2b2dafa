// GRPCRoute from its manifest to both engines, with gRPC's own client and server: which call goes where, of every kind of
// call, and what a call gets that leads nowhere.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { ENGINES, type Engine, openEngine } from '../fakes/each-engine.ts';
import { backend, LOOPBACK, snapshotOf } from '../fakes/gateway-engines.ts';

const bytes = (value: Buffer): Buffer => value;

const method = (path: string, streams = false) => ({
  path,
  requestStream: streams,
  responseStream: streams,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});

const NAMES = ['Place', 'List', 'Talk', 'v1.Get'];

const serviceOf = (service: string): ServiceDefinition => ({
  place: method(`/${service}/Place`),
  list: method(`/${service}/List`),
  talk: method(`/${service}/Talk`, true),
});

/** Answers its name and the text it got; `Talk` for each message. */
const openProgram = async (name: string): Promise<{ server: Server; port: number }> => {
  const server = new Server();
  const once = (call: { request: Buffer }, done: (error: null, answer: Buffer) => void) =>
    done(null, Buffer.from(`${name} ${call.request}`));
  const talk = (call: ServerDuplexStream<Buffer, Buffer>) => {
    call.on('data', (message: Buffer) => call.write(Buffer.from(`${name} ${message}`)));
    call.on('end', () => call.end());
    call.on('error', () => {});
  };
  for (const service of ['shop.Orders', 'shop.v2.Orders', 'shop.Other']) {
    server.addService(serviceOf(service), { place: once, list: once, talk });
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${LOOPBACK}:0`, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { server, port };
};

const manifests = (listener: number, programs: Readonly<Record<string, number>>): string[] => [
  `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: ${listener}, protocol: HTTP }] }
`,
  `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: shop, namespace: default }
spec:
  parentRefs: [{ name: edge }]
  hostnames: [shop.test]
  rules:
    - matches: [{ method: { service: shop.Orders } }]
      backendRefs: [{ name: a, port: 80 }]
    - matches: [{ method: { service: shop.Orders, method: List } }]
      backendRefs: [{ name: b, port: 80 }]
    - matches: [{ method: { service: shop.Orders, method: List }, headers: [{ name: X-To, value: a }] }]
      backendRefs: [{ name: a, port: 80 }]
    - matches: [{ method: { type: RegularExpression, service: "shop[.]v[0-9]+[.]Orders", method: "Place|Talk" } }]
      backendRefs: [{ name: b, port: 80 }]
    - matches: [{ method: { service: shop.Other, method: Place } }]
      backendRefs: [{ name: a, port: 80, weight: 0 }]
`,
  ...Object.entries(programs).map(([name, port]) => backend(name, port)),
];

for (const name of ENGINES) {
  describe(`the engine ${name}`, () => {
    const servers: Server[] = [];
    let engine: Engine | undefined;
    let client: Client;

    before(async () => {
      const [a, b] = await Promise.all(['a', 'b'].map(openProgram));
      servers.push(a!.server, b!.server);
      const programs = { a: a!.port, b: b!.port };
      engine = await openEngine(name, ['http'], (port) => snapshotOf(manifests(port('http'), programs)));
      client = new Client(`${LOOPBACK}:${engine.port('http')}`, credentials.createInsecure(), {
        'grpc.default_authority': 'shop.test',
      });
    });
    after(async () => {
      client?.close();
      for (const server of servers) server.forceShutdown();
      await engine?.close();
    });

    const call = (path: string, headers: Record<string, string> = {}): Promise<string> =>
      new Promise((resolve) => {
        const metadata = new Metadata();
        for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
        const { requestSerialize, responseDeserialize } = method(path);
        const done = (error: ServiceError | null, answer?: Buffer) =>
          resolve(error ? (status[error.code] ?? '') : String(answer));
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, Buffer.from('hello'), metadata, done);
      });

    const calls: Record<string, [path: string, headers?: Record<string, string>]> = {
      'a hello': ['/shop.Orders/Place'],
      'b hello': ['/shop.Orders/List'],
      'a hello by a header': ['/shop.Orders/List', { 'x-to': 'a' }],
      'b hello by an expression': ['/shop.v2.Orders/Place'],
      'UNIMPLEMENTED where no rule matches': ['/shop.v2.Orders/List'],
      'UNIMPLEMENTED where the program has no such method': ['/shop.Orders/Nothing'],
      'UNAVAILABLE from a backend that gets nothing': ['/shop.Other/Place'],
    };
    for (const [title, [path, headers]] of Object.entries(calls)) {
      it(`answers ${title}`, async () => {
        const [, wanted] = /^([A-Z]+|[a-z] hello)/.exec(title)!;
        assert.equal(await call(path, headers), wanted);
      });
    }

    it('streams both ways', async () => {
      const { requestSerialize, responseDeserialize } = method('/shop.v2.Orders/Talk', true);
      const stream = client.makeBidiStreamRequest('/shop.v2.Orders/Talk', requestSerialize, responseDeserialize);
      const heard: string[] = [];
      const ended = new Promise<number>((resolve) => {
        stream.on('status', ({ code }: { code: number }) => resolve(code));
      });
      stream.on('error', () => {});
      stream.on('data', (message: Buffer) => {
        heard.push(String(message));
        // The next word waits for the answer: nothing on the way may hold messages back.
        if (heard.length < NAMES.length) stream.write(Buffer.from(NAMES[heard.length]!));
        else stream.end();
      });
      stream.write(Buffer.from(NAMES[0]!));
      assert.equal(await ended, status.OK);
      assert.deepEqual(
        heard,
        NAMES.map((word) => `b ${word}`),
      );
    });
  });
}
