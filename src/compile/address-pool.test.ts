// The pool of addresses for Gateways: who gets which, what stays, and what comes free.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewaySpec, GatewayStatus } from '../kinds/gateway/types.ts';
import { CONTROLLER_NAME } from '../kinds/gateway-class/schema.ts';
import { parseCidr } from '../lib/cidr.ts';
import { openAddressPool } from './address-pool.ts';
import { openCompiler } from './compiler.ts';
import type { Input } from './input.ts';

interface Wanted {
  readonly addresses?: readonly { readonly type: string; readonly value?: string; readonly routability?: string }[];
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

const open = (block: string, cluster?: string) =>
  openAddressPool(parseCidr(block), cluster ? parseCidr(cluster) : undefined);

const given = (gateways: readonly Input<GatewaySpec>[]) =>
  gateways.map(({ name, spec }) => `${name} ${spec.addresses?.map(({ value }) => value ?? '').join(',') ?? '-'}`);

const CLUSTER = { type: 'IPAddress', routability: 'Cluster' };

const GIVEN: Record<string, { block: string; cluster?: string; gateways: Input<GatewaySpec>[]; want: string[] }> = {
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
  'who asks for one that only the cluster reaches has one of its block, and no other': {
    block: '10.0.0.0/24',
    cluster: '10.1.0.0/24',
    gateways: [gateway('a', { addresses: [CLUSTER] }), gateway('b')],
    want: ['a 10.1.0.1', 'b 10.0.0.1'],
  },
  'who asks for both has both': {
    block: '10.0.0.0/24',
    cluster: '10.1.0.0/24',
    gateways: [gateway('a', { addresses: [CLUSTER, { type: 'IPAddress', routability: '' }], had: '10.1.0.9' })],
    want: ['a 10.0.0.1,10.1.0.9'],
  },
  'one for the cluster is not given of other blocks': {
    block: '10.0.0.0/24',
    gateways: [gateway('a', { addresses: [CLUSTER, { ...CLUSTER, value: '10.1.0.1' }] })],
    want: ['a ,'],
  },
  'one for the cluster may be asked for of its block alone': {
    block: '10.0.0.0/24',
    cluster: '10.1.0.0/24',
    gateways: [
      gateway('a', {
        addresses: [
          { ...CLUSTER, value: '10.1.0.7' },
          { ...CLUSTER, value: '10.2.0.7' },
        ],
      }),
    ],
    want: ['a 10.1.0.7,'],
  },
  'who asks for a name has none': {
    block: '10.0.0.0/24',
    gateways: [gateway('a', { addresses: [{ type: 'Hostname', value: 'a.example' }] })],
    want: ['a a.example'],
  },
};
for (const [name, { block, cluster, gateways, want }] of Object.entries(GIVEN)) {
  test(name, () => assert.deepEqual(given(open(block, cluster)(gateways).gateways), want));
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
  assert.deepEqual([...without.keys()], ['default/d']);
});

const statusesOf = (
  blocks: Partial<Record<'gatewayAddresses' | 'clusterAddresses', string>>,
  ...all: (readonly object[] | undefined)[]
): [addresses: unknown, ...verdicts: string[]][] => {
  const cidrs = Object.fromEntries(Object.entries(blocks).map(([name, block]) => [name, parseCidr(block)!]));
  const spec = { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] };
  const ofClass = { kind: 'GatewayClass', metadata: { name: 'weft' }, spec: { controllerName: CONTROLLER_NAME } };
  const gateways = all.map((addresses, i) => ({
    kind: 'Gateway',
    metadata: { name: `g${i}`, namespace: 'default' },
    spec: { ...spec, ...(addresses && { addresses }) },
  }));
  const resources = [ofClass, ...gateways].map((one) => ({ apiVersion: 'gateway.networking.k8s.io/v1', ...one }));
  const compiler = openCompiler({ trustDomain: 'cluster.local', ...cidrs });
  const options = { revision: 1, nowMs: 0, gatewayAddresses: [{ address: '127.0.0.1' }] };
  return [...compiler.compile(resources, options).statuses.values()].flatMap(({ resource, status }) => {
    if (resource.kind !== 'Gateway') return [];
    const { addresses, conditions = [] } = status as GatewayStatus;
    const verdicts = conditions
      .filter(({ type }) => type !== 'ResolvedRefs')
      .map(({ status: is, reason }) => `${is} ${reason}`);
    return [[addresses?.map(({ type: _, ...rest }) => rest), ...verdicts]];
  });
};

test('the status says from where an address is reached, where that is not everywhere', () => {
  const told = statusesOf(
    { gatewayAddresses: '10.0.0.0/24', clusterAddresses: '10.1.0.0/24' },
    [CLUSTER, { type: 'IPAddress' }],
    [{ type: 'IPAddress', value: '192.0.2.1', routability: '' }],
  );
  assert.deepEqual(told, [
    [[{ value: '10.0.0.1' }, { value: '10.1.0.1', routability: 'Cluster' }], 'True Accepted', 'True Programmed'],
    [[{ value: '192.0.2.1' }], 'True Accepted', 'True Programmed'],
  ]);
});

test('an address that can not be had from where it is to be reached is refused, or said to be taken', () => {
  const other = { type: 'IPAddress', value: '192.0.2.1', routability: 'example.com/metro' };
  assert.deepEqual(
    statusesOf(
      { gatewayAddresses: '10.0.0.0/24' },
      [CLUSTER],
      [other],
      [other, { type: 'IPAddress', value: '192.0.2.2' }],
    ),
    [
      [[], 'False UnsupportedAddress', 'False Invalid'],
      [[], 'False UnsupportedAddress', 'False Invalid'],
      [[{ value: '192.0.2.2' }], 'False UnsupportedAddress', 'False Invalid'],
    ],
  );
  const small = { clusterAddresses: '10.1.0.0/32' };
  assert.deepEqual(statusesOf(small, [CLUSTER], [{ ...CLUSTER, value: '10.9.0.1' }], [CLUSTER]), [
    [[{ value: '10.1.0.0', routability: 'Cluster' }], 'True Accepted', 'True Programmed'],
    [[], 'False UnsupportedAddress', 'False Invalid'],
    [[], 'True Accepted', 'False AddressNotAssigned'],
  ]);
});

test('without a block all stays as it is', () => {
  const gateways = [gateway('a')];
  assert.equal(openAddressPool(undefined)(gateways).gateways, gateways);
});

test('a Gateway for which none is left is not served and says so; the others keep theirs while no gateway is there', () => {
  const compiler = openCompiler({ trustDomain: 'cluster.local', gatewayAddresses: parseCidr('10.0.0.0/30')! });
  const spec = { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] };
  const ofClass = { kind: 'GatewayClass', metadata: { name: 'weft' }, spec: { controllerName: CONTROLLER_NAME } };
  const gateways = ['a', 'b', 'c'].map((name) => ({ kind: 'Gateway', metadata: { name, namespace: 'default' }, spec }));
  const resources = [ofClass, ...gateways].map((one) => ({ apiVersion: 'gateway.networking.k8s.io/v1', ...one }));
  const { mesh, statuses, problems } = compiler.compile(resources, { revision: 1, nowMs: 0 });
  assert.deepEqual([...mesh.gateways.keys()], ['default/a', 'default/b']);
  const told = [...statuses.values()].flatMap(({ resource, status }) => {
    if (resource.kind !== 'Gateway') return [];
    const { addresses, conditions = [] } = status as GatewayStatus;
    const { reason, message } = conditions.find(({ type }) => type === 'Programmed')!;
    return [
      [addresses?.map(({ value }) => value).join(), reason, /no gateway is connected|are taken/.exec(message)?.[0]],
    ];
  });
  assert.deepEqual(told, [
    ['10.0.0.1', 'AddressNotAssigned', 'no gateway is connected'],
    ['10.0.0.2', 'AddressNotAssigned', 'no gateway is connected'],
    ['', 'AddressNotAssigned', 'are taken'],
  ]);
  assert.match(problems.map(({ message }) => message).join(), /all addresses for Gateways are taken/);
});
