import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { nodeId, type ProxyNode } from '../model/node.ts';
import { entryFor } from './workload-entry.ts';

const node: ProxyNode = {
  id: nodeId('sidecar', '10.0.0.1', 'cart', 'shop'),
  role: 'sidecar',
  engine: 'weft',
  name: 'cart',
  namespace: 'shop',
  serviceAccount: 'cart',
  labels: {},
  localPorts: [],
  ports: { http: 80 },
  appAddress: '127.0.0.1',
};

test('the entry of a proxy that knows where it is says so', () => {
  const clock = new FakeClock();
  assert.equal(entryFor(node, undefined, undefined, clock).spec?.locality, undefined);
  const placed = entryFor({ ...node, locality: 'eu/eu-a' }, undefined, undefined, clock);
  assert.equal(placed.spec?.locality, 'eu/eu-a');
  const moved = entryFor({ ...node, locality: 'eu/eu-b' }, undefined, placed, clock);
  assert.deepEqual([moved.spec?.locality, moved.metadata.generation], ['eu/eu-b', 2]);
});
