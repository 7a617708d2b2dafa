// The server as its clients see it, over real sockets: generic ones, strangers, slow ones.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { Client, type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { openXdsPlane, proxyNode, type XdsPlane } from '../../test/fakes/xds-plane.ts';
import { WeftError } from '../lib/errors.ts';
import type { Svid } from '../model/identity.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Cluster, EndpointSet } from '../model/snapshot.ts';
import { encodeNode } from './node-metadata.ts';
import { ENVOY, OWN } from './type-urls.ts';
import {
  type DeltaRequest,
  type DeltaResponse,
  decodeDeltaResponse,
  encodeDeltaRequest,
  type WireNode,
} from './wire.ts';

const DELTA = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const asBytes = (bytes: Buffer): Buffer => bytes;

/** One delta stream, spoken by hand. */
class RawStream extends EventEmitter {
  readonly #channel: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #received: DeltaResponse[] = [];
  error: ServiceError | undefined;

  constructor(address: string, svid?: Svid) {
    super();
    const proof = svid
      ? credentials.createSsl(Buffer.from(svid.bundlePem), Buffer.from(svid.keyPem), Buffer.from(svid.chainPem))
      : credentials.createInsecure();
    this.#channel = new Client(address, proof, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.ssl_target_name_override': 'control.test',
    });
    this.#call = this.#channel.makeBidiStreamRequest(DELTA, asBytes, asBytes);
    this.#call.on('data', (raw: Buffer) => {
      this.#received.push(decodeDeltaResponse(raw));
      this.emit('response');
    });
    this.#call.on('error', (error: ServiceError) => {
      this.error = error;
      this.emit('response');
    });
  }

  send(request: Partial<DeltaRequest> & { typeUrl: string }): void {
    this.#call.write(encodeDeltaRequest(request));
  }

  sendBytes(bytes: Buffer): void {
    this.#call.write(bytes);
  }

  /** How many answers came that nobody took. */
  get waiting(): number {
    return this.#received.length;
  }

  async next(): Promise<DeltaResponse> {
    while (this.#received.length === 0) {
      if (this.error) throw this.error;
      await once(this, 'response');
    }
    return this.#received.shift()!;
  }

  async failure(): Promise<ServiceError> {
    while (!this.error) await once(this, 'response');
    return this.error;
  }

  close(): void {
    this.#call.cancel();
    this.#channel.close();
  }
}

const wireNode = (node: ProxyNode): WireNode => ({ id: node.id, metadata: encodeNode(node) });
const cluster = (name: string, connectTimeoutMs = 1): Cluster => ({
  name,
  discovery: { type: 'eds' },
  protocol: 'http1',
  tls: { mode: 'none' },
  loadBalancing: 'random',
  connectTimeoutMs,
  idleTimeoutMs: 1,
  maxConnections: 1,
  maxPendingRequests: 1,
});
const clustersOf = (...all: Cluster[]) => new Map(all.map((one) => [one.name, one]));
const endpointsOf = (port: number): EndpointSet => ({
  cluster: 'a',
  endpoints: [{ address: '127.0.0.1', port, mesh: false, weight: 1, health: 'healthy' }],
});
const names = (response: DeltaResponse): string[] => response.resources.map((resource) => resource.name);

describe('the xDS server', () => {
  let plane: XdsPlane;
  const streams: RawStream[] = [];
  const open = (address: string, svid?: Svid): RawStream => {
    const stream = new RawStream(address, svid);
    streams.push(stream);
    return stream;
  };
  before(async () => {
    const checkRole = async (node: ProxyNode) => {
      if (node.role === 'gateway') throw new WeftError('XDS_GATEWAY_REFUSED', `${node.name} may not be a gateway`);
    };
    plane = await openXdsPlane({ checkRole });
  });
  after(async () => {
    for (const stream of streams) stream.close();
    await plane.close();
  });

  it('gives a client of another kind what a sidecar of its namespace has, in the Envoy form', async () => {
    plane.feed.publish({
      clusters: clustersOf(cluster('a'), cluster('b')),
      endpoints: new Map([['a', endpointsOf(1)]]),
    });
    const stream = open(plane.plaintext);
    const node = { id: 'sidecar~10.1.0.1~load-1.default~default.svc.cluster.local', metadata: {} };
    stream.send({ typeUrl: ENVOY.cluster, node });
    assert.deepEqual(names(await stream.next()), ['a', 'b']);
    stream.send({ typeUrl: ENVOY.endpoints, subscribe: ['a', 'b', 'gone'] });
    const endpoints = await stream.next();
    assert.deepEqual([names(endpoints), endpoints.removed], [['a', 'b'], ['gone']]);
    assert.equal(plane.xds.status()[0]?.registered, false);
    stream.close();
  });

  it('sends only what changed, removals last', async () => {
    const [a, b, c] = [cluster('a'), cluster('b'), cluster('c')];
    plane.feed.publish({ clusters: clustersOf(a, b, c), endpoints: new Map([['a', endpointsOf(1)]]) });
    const stream = open(plane.plaintext);
    stream.send({ typeUrl: ENVOY.cluster, node: wireNode(proxyNode({ engine: 'envoy' })) });
    const first = await stream.next();
    stream.send({ typeUrl: ENVOY.cluster, responseNonce: first.nonce });
    stream.send({ typeUrl: ENVOY.endpoints, subscribe: ['a'] });
    stream.send({ typeUrl: ENVOY.endpoints, responseNonce: (await stream.next()).nonce });

    plane.feed.publish({ clusters: clustersOf(a, cluster('b', 2), cluster('d')) });
    const second = await stream.next();
    assert.deepEqual([names(second), second.removed], [['b', 'd'], []]);
    stream.send({ typeUrl: ENVOY.cluster, responseNonce: second.nonce });
    const third = await stream.next();
    assert.deepEqual([names(third), third.removed], [[], ['c']]);
    stream.send({ typeUrl: ENVOY.cluster, responseNonce: third.nonce });

    // A changed cluster has its endpoints sent again: Envoy waits for them.
    plane.feed.publish({ clusters: clustersOf(cluster('a', 9), cluster('b', 2), cluster('d')) });
    const changed = await stream.next();
    assert.deepEqual([names(changed), names(await stream.next())], [['a'], ['a']]);
    stream.close();
  });

  it('lets a client that does not answer wait for the newest state alone', async () => {
    plane.feed.publish({ clusters: clustersOf(cluster('a')) });
    const stream = open(plane.plaintext);
    stream.send({ typeUrl: OWN.cluster, subscribe: ['*'], node: wireNode(proxyNode()) });
    const first = await stream.next();
    for (let i = 2; i < 50; i++) plane.feed.publish({ clusters: clustersOf(cluster('a', i)) });
    stream.send({ typeUrl: OWN.cluster, responseNonce: first.nonce });
    const second = await stream.next();
    assert.equal(JSON.parse(second.resources[0]!.value.toString()).connectTimeoutMs, 49);
    assert.equal(stream.waiting, 0);
    stream.close();
  });

  it('remembers who refused what', async () => {
    const stream = open(plane.plaintext);
    const node = proxyNode({ name: 'picky' });
    stream.send({ typeUrl: OWN.cluster, subscribe: ['*'], node: wireNode(node) });
    const { nonce, systemVersion } = await stream.next();
    stream.send({ typeUrl: OWN.cluster, responseNonce: nonce, error: 'a is no good' });
    // Answered after the refusal was read.
    stream.send({ typeUrl: OWN.listener, subscribe: ['*'] });
    await stream.next();
    const client = plane.xds.status().find((one) => one.node.name === 'picky');
    const { refusal, ackedVersion } = client!.types.find((type) => type.typeUrl === OWN.cluster)!;
    assert.deepEqual([refusal?.version, refusal?.message, ackedVersion], [systemVersion, 'a is no good', '']);
    stream.close();
  });

  it('sends private keys over proven streams only', async () => {
    plane.feed.publish({ secrets: new Map([['shop/cert', { name: 'shop/cert', chainPem: 'c', keyPem: 'k' }]]) });
    const node = wireNode(proxyNode());
    for (const [stream, want] of [
      [open(plane.plaintext), []],
      [open(plane.mutual, plane.svid('shop', 'reviews')), ['shop/cert']],
    ] as const) {
      stream.send({ typeUrl: OWN.secret, subscribe: ['*'], node });
      assert.deepEqual(names(await stream.next()), want);
      stream.close();
    }
  });

  const strangers: Record<string, { request: Partial<DeltaRequest>; code: status; says: RegExp; as?: string }> = {
    'a node that is not named': { request: {}, code: status.INVALID_ARGUMENT, says: /must name its node/ },
    'a node id of no known form': {
      request: { node: { id: 'me', metadata: {} } },
      code: status.INVALID_ARGUMENT,
      says: /node's id is not/,
    },
    'an identity of another service account': {
      request: { node: wireNode(proxyNode()) },
      as: 'orders',
      code: status.PERMISSION_DENIED,
      says: /sa\/orders may not speak for reviews-1/,
    },
    'a gateway that may not be one': {
      request: { node: wireNode(proxyNode({ role: 'gateway', name: 'edge' })) },
      as: 'reviews',
      code: status.PERMISSION_DENIED,
      says: /edge may not be a gateway/,
    },
  };
  for (const [who, { request, code, says, as }] of Object.entries(strangers)) {
    it(`turns away ${who}, and says why`, async () => {
      const stream = as ? open(plane.mutual, plane.svid('shop', as)) : open(plane.plaintext);
      stream.send({ typeUrl: OWN.cluster, subscribe: ['*'], ...request });
      const error = await stream.failure();
      assert.equal(error.code, code);
      assert.match(error.details, says);
      stream.close();
    });
  }

  it('turns away bytes that are no request', async () => {
    const stream = open(plane.plaintext);
    stream.sendBytes(Buffer.from([0xff, 0xff]));
    assert.equal((await stream.failure()).code, status.INVALID_ARGUMENT);
    stream.close();
  });

  it('sends a returning client nothing that it still has', async () => {
    plane.feed.publish({ clusters: clustersOf(cluster('a'), cluster('b')) });
    const node = wireNode(proxyNode());
    const before = open(plane.plaintext);
    before.send({ typeUrl: OWN.cluster, subscribe: ['*'], node });
    const versions = new Map((await before.next()).resources.map(({ name, version }) => [name, version]));
    before.close();
    plane.feed.publish({ clusters: clustersOf(cluster('a'), cluster('c')) });
    const again = open(plane.plaintext);
    again.send({ typeUrl: OWN.cluster, subscribe: ['*'], initialVersions: versions, node });
    const first = await again.next();
    assert.deepEqual([names(first), first.removed], [['c'], ['b']]);
    again.close();
  });
});
