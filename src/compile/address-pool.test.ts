// The pool of addresses for Gateways: who gets which, what stays, and what comes free.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import { parseCidr } from '../lib/cidr.ts';
import { openAddressPool } from './address-pool.ts';
import type { Input } from './input.ts';

interface Wanted {
  readonly addresses?: readonly { readonly type: string; readonly value?: string }[];
  /** What its status has. */
  readonly had?: string;
}

const gateway = (name: string, { addresses, had }: Wanted = {}): Input<GatewaySpec> => {
  const resource = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name, namespace: 'default' },
    ...(had && { status: { addresses: [{ type: 'IPAddress', value: had }] } }),
  };
  const spec = { gatewayClassName: 'weft', listeners: [], ...(addresses && { addresses }) } as unknown as GatewaySpec;
  return { createdMs: 0, key: `default/${name}`, namespace: 'default', name, spec, resource, stored: resource };
};

const open = (block: string) => openAddressPool(parseCidr(block));

const given = (gateways: readonly Input<GatewaySpec>[]) =>
  gateways.map(({ name, spec }) => `${name} ${spec.addresses?.map(({ value }) => value).join(',') ?? '-'}`);

const GIVEN: Record<string, { block: string; gateways: Input<GatewaySpec>[]; want: string[] }> = {
  'each has its own': {
    block: '10.0.0.0/24',
    gateways: [gateway('a'), gateway('b')],
    want: ['a 10.0.0.1', 'b 10.0.0.2'],
  },
  'of IPv6 too': { block: 'fd00::/64', gateways: [gateway('a'), gateway('b')], want: ['a fd00::', 'b fd00::1'] },
  'what the status has is kept': {
    block: '10.0.0.0/24',
    gateways: [gateway('a'), gateway('b', { had: '10.0.0.1' })],
    want: ['a 10.0.0.2', 'b 10.0.0.1'],
  },
  'what the status has of elsewhere is not': {
    block: '10.0.0.0/24',
    gateways: [gateway('a', { had: '127.0.0.1' })],
    want: ['a 10.0.0.1'],
  },
  'an address that a Gateway asks for is its own': {
    block: '10.0.0.0/24',
    gateways: [gateway('a'), gateway('b', { addresses: [{ type: 'IPAddress', value: '10.0.0.1' }] })],
    want: ['a 10.0.0.2', 'b 10.0.0.1'],
  },
  'who asks for any address has one': {
    block: '10.0.0.0/24',
    gateways: [gateway('a', { addresses: [{ type: 'IPAddress' }] })],
    want: ['a 10.0.0.1'],
  },
  'who asks for a name has none': {
    block: '10.0.0.0/24',
    gateways: [gateway('a', { addresses: [{ type: 'Hostname', value: 'a.example' }] })],
    want: ['a a.example'],
  },
};
for (const [name, { block, gateways, want }] of Object.entries(GIVEN)) {
  test(name, () => assert.deepEqual(given(open(block)(gateways).gateways), want));
}

test('a Gateway keeps its address while others come and go, and is the same object', () => {
  const pool = open('10.0.0.0/24');
  const [a, b, c] = [gateway('a'), gateway('b'), gateway('c')];
  const first = pool([a, b]);
  const second = pool([b, c]);
  assert.deepEqual(given(second.gateways), ['b 10.0.0.2', 'c 10.0.0.3']);
  assert.equal(second.gateways[0], first.gateways[1]);
});

test('what is freed is given again when all others are taken, and one too many has none', () => {
  const pool = open('10.0.0.0/30');
  pool([gateway('a'), gateway('b')]);
  assert.deepEqual(given(pool([gateway('b'), gateway('c')]).gateways), ['b 10.0.0.2', 'c 10.0.0.1']);
  const { gateways, without } = pool([gateway('b'), gateway('c'), gateway('d')]);
  assert.deepEqual(given(gateways), ['b 10.0.0.2', 'c 10.0.0.1', 'd -']);
  assert.deepEqual(
    without.map(({ name }) => name),
    ['d'],
  );
});

test('without a block all stays as it is', () => {
  const gateways = [gateway('a')];
  assert.equal(openAddressPool(undefined)(gateways).gateways, gateways);
});
