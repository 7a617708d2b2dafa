import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../../model/snapshot.ts';
import { loadAssignment } from './endpoints.ts';

const BASE = { mesh: true, weight: 1, health: 'healthy' } as const;

const CASES: Record<string, { endpoint: Endpoint; want: string[] }> = {
  'an address is used as it is': { endpoint: { ...BASE, address: '10.0.0.1', port: 80 }, want: ['10.0.0.1:80'] },
  'a name is left out': { endpoint: { ...BASE, address: 'a.test', port: 80 }, want: [] },
  'who takes HBONE and mutual TLS is reached by mutual TLS': {
    endpoint: {
      ...BASE,
      address: '10.0.0.2',
      port: 80,
      hbone: { port: 15008, direct: { address: '10.0.0.2', port: 15006 } },
    },
    want: ['10.0.0.2:15006'],
  },
  'who takes HBONE alone is left out': {
    endpoint: { ...BASE, address: '10.0.0.3', port: 80, hbone: { port: 15008 } },
    want: [],
  },
};

for (const [name, { endpoint, want }] of Object.entries(CASES)) {
  test(name, () => {
    const text = JSON.stringify(loadAssignment('c', [endpoint]), (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    const found = [
      ...text.matchAll(/"address":"([^"]+)",[^{}]*"portSpecifier":\{"case":"portValue","value":([0-9]+)/g),
    ];
    assert.deepEqual(
      found.map(([, address, port]) => `${address}:${port}`),
      want,
    );
  });
}
