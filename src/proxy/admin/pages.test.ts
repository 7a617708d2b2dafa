import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster, Endpoint } from '../../model/snapshot.ts';
import type { ClusterInspection, EndpointInspection } from './inspection.ts';
import { clustersJson, clustersText } from './pages.ts';

const NONE = {
  connections: 0,
  active: 0,
  total: 0,
  pending: 0,
  successes: 0,
  errors: 0,
  timeouts: 0,
  dials: 0,
  failedDials: 0,
};

const inspect = (
  state: Pick<EndpointInspection, 'check'> & { ejected?: boolean; health?: Endpoint['health'] },
): ClusterInspection => {
  const { ejected = false, health = 'healthy', check } = state;
  const endpoint: Endpoint = { address: '10.0.0.1', port: 80, mesh: false, weight: 1, health };
  return {
    cluster: { name: 'c', maxConnections: 1, maxPendingRequests: 1 } as Cluster,
    endpoints: [{ endpoint, ejected, ...(check && { check }), ...NONE }],
  } as unknown as ClusterInspection;
};

const CASES: Record<string, { state: Parameters<typeof inspect>[0]; flags: string; json: readonly string[] }> = {
  'nothing speaks against it': { state: {}, flags: 'healthy', json: [] },
  'it passes its checks': { state: { check: 'passed' }, flags: 'healthy', json: [] },
  'it fails its checks': {
    state: { check: 'failed' },
    flags: '/failed_active_hc',
    json: ['failed_active_health_check'],
  },
  'it was not checked yet': {
    state: { check: 'pending' },
    flags: '/failed_active_hc/pending_active_hc',
    json: ['failed_active_health_check', 'pending_active_hc'],
  },
  'it is left out': {
    state: { check: 'failed', ejected: true },
    flags: '/failed_active_hc/failed_outlier_check',
    json: ['failed_active_health_check', 'failed_outlier_check'],
  },
  'it is said to be unhealthy': {
    state: { health: 'unhealthy' },
    flags: '/failed_eds_health',
    json: ['failed_eds_health'],
  },
};

for (const [sentence, { state, flags, json }] of Object.entries(CASES)) {
  test(`an endpoint in Envoy's words: ${sentence}`, () => {
    const clusters = [inspect(state)];
    assert.match(clustersText(clusters), new RegExp(`::health_flags::${flags}\n`));
    const { cluster_statuses: statuses } = clustersJson(clusters) as {
      cluster_statuses: { host_statuses: { health_status: Record<string, unknown> }[] }[];
    };
    const { eds_health_status: _, ...found } = statuses[0]!.host_statuses[0]!.health_status;
    assert.deepEqual(Object.keys(found), json);
  });
}
