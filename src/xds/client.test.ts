// The client against the real server over real sockets: snapshots, resumption, refusals, presence and health.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { openXdsPlane, proxyNode, type XdsPlane } from '../../test/fakes/xds-plane.ts';
import type { ChannelTls } from '../grpc/channel.ts';
import { systemClock } from '../lib/clock.ts';
import { WeftError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import type { Svid } from '../model/identity.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Problem } from '../model/problem.ts';
import type { Cluster, Snapshot } from '../model/snapshot.ts';
import { openXdsClient, type XdsClient } from './client.ts';

const cluster = (name: string, connectTimeoutMs = 1_000): Cluster => ({
  name,
  discovery: { type: 'eds' },
  protocol: 'http1',
  tls: { mode: 'none' },
  loadBalancing: 'least-request',
  connectTimeoutMs,
  idleTimeoutMs: 4_000,
  maxConnections: 100,
  maxPendingRequests: 100,
});
const clustersOf = (...all: Cluster[]) => new Map(all.map((one) => [one.name, one]));
const tlsOf = (svid: Svid): ChannelTls => ({ caPem: svid.bundlePem, own: svid });

/** A client that records what it is given; `next` waits for the next snapshot after those already seen. */
class Recorder extends EventEmitter {
  readonly snapshots: Snapshot[] = [];
  problems: Problem[] = [];
  readonly client: XdsClient;
  #seen = 0;

  constructor(address: string, tls: (() => ChannelTls) | undefined, node: ProxyNode = proxyNode()) {
    super();
    this.client = openXdsClient({
      address,
      ...(tls && { tls }),
      node,
      clock: systemClock,
      random: { next: () => 0 },
      log: silentLog,
      onSnapshot: (snapshot) => {
        this.snapshots.push(snapshot);
        this.emit('snapshot');
        return this.problems;
      },
      onConnected: () => this.emit('connected'),
      onDisconnected: (reason) => this.emit('disconnected', reason),
    });
  }

  async next(): Promise<Snapshot> {
    while (this.snapshots.length === this.#seen) await once(this, 'snapshot');
    return this.snapshots[this.#seen++]!;
  }
}

describe('the xDS client', () => {
  let plane: XdsPlane;
  const recorders: Recorder[] = [];
  const record = (...args: ConstructorParameters<typeof Recorder>): Recorder => {
    const recorder = new Recorder(...args);
    recorders.push(recorder);
    return recorder;
  };
  before(async () => {
    plane = await openXdsPlane();
  });
  after(async () => {
    for (const { client } of recorders) client.close();
    await plane.close();
  });

  it('gets whole snapshots, and parts that did not change keep their identity', async () => {
    const [a, b] = [cluster('a'), cluster('b')];
    plane.feed.publish({ clusters: clustersOf(a, b), endpoints: new Map([['a', { cluster: 'a', endpoints: [] }]]) });
    const recording = record(plane.plaintext, undefined);
    const first = await recording.next();
    assert.deepEqual([...first.clusters.keys()], ['a', 'b']);
    assert.deepEqual(first.clusters.get('a'), a);
    plane.feed.publish({ clusters: clustersOf(a, cluster('c')) });
    const second = await recording.next();
    assert.deepEqual([...second.clusters.keys()].sort(), ['a', 'c']);
    assert.equal(second.clusters.get('a'), first.clusters.get('a'));
    assert.equal(second.endpoints, first.endpoints);
    assert.equal(second.revision, first.revision + 1);
    recording.client.close();
  });

  it('goes on after a restart of the server and gets only what changed meanwhile', async () => {
    const many = clustersOf(...Array.from({ length: 2_000 }, (_, i) => cluster(`outbound|80||s${i}`)));
    plane.feed.publish({ clusters: many });
    const recorder = record(plane.plaintext, undefined);
    const first = await recorder.next();
    assert.equal(first.clusters.size, 2_000);
    const disconnected = once(recorder, 'disconnected');
    await plane.stop();
    await disconnected;
    const changed = new Map(many).set('outbound|80||s7', cluster('outbound|80||s7', 77));
    changed.delete('outbound|80||s8');
    plane.feed.publish({ clusters: changed });
    await plane.restart();
    const second = await recorder.next();
    assert.equal(second.clusters.size, 1_999);
    const different = [...second.clusters].filter(([name, value]) => first.clusters.get(name) !== value);
    assert.deepEqual(
      different.map(([name]) => name),
      ['outbound|80||s7'],
    );
    recorder.client.close();
  });

  it('refuses a snapshot with the problems as text, and takes the next one', async () => {
    const recorder = record(plane.plaintext, undefined, proxyNode({ name: 'refuser' }));
    await recorder.next();
    recorder.problems = [{ code: 'PORT_TAKEN', severity: 'error', message: '127.0.0.1:80 is taken by nginx' }];
    plane.feed.publish({ clusters: clustersOf(cluster('x')) });
    await recorder.next();
    recorder.problems = [];
    plane.feed.publish({ clusters: clustersOf(cluster('y')) });
    const last = await recorder.next();
    assert.deepEqual([...last.clusters.keys()], ['y']);
    recorder.client.close();
  });

  it('registers its workload, reports health, and is gone when it closes', async () => {
    const recorder = record(plane.mutual, () => tlsOf(plane.svid('shop', 'reviews')), proxyNode({ name: 'healthy' }));
    const opened = plane.sessions.next('open');
    assert.deepEqual(await opened, ['healthy']);
    await recorder.next();
    const well = plane.sessions.next('health');
    recorder.client.setHealth(true);
    assert.deepEqual(await well, ['healthy', true, undefined]);
    const ill = plane.sessions.next('health');
    recorder.client.setHealth(false, 'connection refused');
    assert.deepEqual(await ill, ['healthy', false, 'connection refused']);
    const gone = plane.sessions.next('close');
    recorder.client.close();
    assert.deepEqual(await gone, ['healthy']);
  });

  it('comes back by itself, with the newest certificate, after its session was refused', async () => {
    let asked = 0;
    plane.sessions.refuse = new WeftError('WORKLOAD_REVOKED', 'reviews-1 was removed from the mesh');
    const recorder = record(plane.mutual, () => {
      asked++;
      return tlsOf(plane.svid('shop', 'reviews'));
    });
    const [reason] = await once(recorder, 'disconnected');
    assert.match(reason, /was removed from the mesh/);
    plane.sessions.refuse = undefined;
    await recorder.next();
    assert.ok(asked >= 2);
    recorder.client.close();
  });

  it('is told when it speaks for another workload than its certificate does', async () => {
    const recorder = record(plane.mutual, () => tlsOf(plane.svid('shop', 'orders')));
    const [reason] = await once(recorder, 'disconnected');
    assert.match(reason, /ns\/shop\/sa\/orders may not speak for reviews-1 of namespace shop, service account reviews/);
    recorder.client.close();
  });

  it('says why it cannot connect', async () => {
    const recorder = record('127.0.0.1:1', undefined);
    const [reason] = await once(recorder, 'disconnected');
    assert.match(reason, /ECONNREFUSED/);
    recorder.client.close();
  });

  it('only registers when it takes no snapshots', async () => {
    const opened = plane.sessions.next('open');
    const closed = plane.sessions.next('close');
    const client = openXdsClient({
      address: plane.mutual,
      tls: () => tlsOf(plane.svid('shop', 'reviews')),
      node: proxyNode({ name: 'agent', engine: 'envoy' }),
      clock: systemClock,
      random: { next: () => 0 },
      log: silentLog,
    });
    assert.deepEqual(await opened, ['agent']);
    client.close();
    assert.deepEqual(await closed, ['agent']);
  });
});
