// What `weft flows` tells of calls that fail: who called whom, what came of it, and the flag. Used by features.test.ts.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { TrafficEvent } from '../../../src/model/event.ts';
import { until } from '../until.ts';
import { type Features, service } from './setup.ts';

const CLIENT = 'spiffe://cluster.local/ns/default/sa/client';

const outbound = (path: string) => (event: TrafficEvent) => event.direction === 'outbound' && event.http?.path === path;

const check = async (
  f: Features,
  path: string,
  expected: { status: number; flags: string[]; service: string | undefined },
) => {
  const { http, flags, destination, source } = await f.flow(path, outbound(path));
  assert.deepEqual({ status: http?.status, flags, service: destination.service }, expected);
  assert.equal(source.identity, CLIENT);
};

export const eventCases: Record<string, (f: Features) => Promise<void>> = {
  'UH: no endpoint': async (f) => {
    await f.apply(service('empty', '{ app: nobody }'));
    await until('the service', async () => (await f.caller.call('http://empty/ready')).status === 503);
    assert.equal((await f.caller.call('http://empty/event-uh')).status, 503);
    await check(f, '/event-uh', { status: 503, flags: ['UH'], service: 'empty' });
  },

  'UF: nobody listens there': async (f) => {
    await f.apply(`
apiVersion: v1
kind: Service
metadata: { name: deaf }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: deaf-1, labels: { kubernetes.io/service-name: deaf } }
addressType: IPv4
ports: [{ name: http, port: ${await f.freePort()} }]
endpoints: [{ addresses: [127.0.0.1] }]
`);
    await until('the service', async () => (await f.caller.call('http://deaf/ready')).body.includes('connect'));
    assert.equal((await f.caller.call('http://deaf/event-uf')).status, 503);
    const event = await f.flow('UF', outbound('/event-uf'));
    assert.ok(event.flags.includes('UF'), event.flags.join());
    assert.deepEqual([event.http?.status, event.destination.service], [503, 'deaf']);
  },

  'NR: no such name, and no route': async (f) => {
    assert.equal((await f.caller.call('http://nowhere/event-nr')).status, 404);
    await check(f, '/event-nr', { status: 404, flags: ['NR'], service: undefined });
    await f.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web-v2 }
spec: { parentRefs: [{ group: '', kind: Service, name: web-v2 }], rules: [{ matches: [{ path: { value: /only } }], backendRefs: [{ name: web-v2, port: 80 }] }] }
`);
    await until('the route', async () => (await f.caller.call('http://web-v2/other')).status === 404);
    assert.equal((await f.caller.call('http://web-v2/event-nr-route')).status, 404);
    assert.equal((await f.caller.call('http://web-v2/only/this')).status, 200);
    await check(f, '/event-nr-route', { status: 404, flags: ['NR'], service: undefined });
  },

  'UT: no answer in time': async (f) => {
    await f.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: guarded }
spec:
  parentRefs: [{ group: '', kind: Service, name: guarded, port: 80 }]
  rules:
    - timeouts: { request: 150ms }
      filters: [{ type: ResponseHeaderModifier, responseHeaderModifier: { set: [{ name: x-limited, value: 'yes' }] } }]
      backendRefs: [{ name: guarded, port: 80 }]
`);
    await until('the time limit at the proxy', async () => {
      const { headers } = await f.caller.call('http://guarded/status?code=200');
      return headers['x-limited'] === 'yes';
    });
    const hanging = await f.caller.call('http://guarded/hang');
    assert.equal(hanging.status, 504);
    await check(f, '/hang', { status: 504, flags: ['UT'], service: 'guarded' });
  },

  'UC: the program resets': async (f) => {
    assert.equal((await f.caller.call('http://web-v1/reset')).status, 503);
    const event = await f.flow('UC', ({ direction, http }) => direction === 'inbound' && http?.path === '/reset');
    assert.deepEqual([event.flags, event.http?.status, event.destination.service], [['UC'], 503, 'web-v1']);
    assert.equal(event.source.identity, CLIENT);
  },

  'DC: the caller goes': async (f) => {
    const socket = connect(f.caller.port, '127.0.0.1');
    socket.write('POST http://web-v1/events?key=dc HTTP/1.1\r\nhost: web-v1\r\ncontent-length: 0\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    const event = await f.flow('DC', (one) => outbound('/events')(one) && one.flags.includes('DC'));
    assert.deepEqual([event.http?.path, event.destination.service], ['/events', 'web-v1']);
  },

  'denied: by whom, and whom': async (f) => {
    assert.equal((await f.stranger.call('http://guarded.default/event-denied')).status, 403);
    const event = await f.flow(
      'denied',
      ({ direction, http }) => direction === 'inbound' && http?.path === '/event-denied',
    );
    assert.deepEqual(
      [
        event.source.identity,
        event.source.namespace,
        event.destination.service,
        event.destination.namespace,
        event.http?.status,
      ],
      ['spiffe://cluster.local/ns/other/sa/stranger', 'other', 'guarded', 'default', 403],
    );
    assert.equal(event.policy?.verdict, 'deny');
    assert.ok(event.policy.names.includes('weft-system/default-deny'), event.policy.names.join());
    assert.deepEqual([event.flags, event.tls], [['RBAC'], 'mutual']);
  },
};
