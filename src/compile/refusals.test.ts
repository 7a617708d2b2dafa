import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import type { Resource } from '../model/resource.ts';
import { openCompiler } from './compiler.ts';
import type { GatewayAddress } from './gateway-addresses.ts';

const listeners = [
  { name: 'a', port: 80, protocol: 'HTTP' },
  { name: 'b', port: 8080, protocol: 'HTTP' },
];
const gatewayWith = (addresses?: readonly string[]): Resource => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'shop', namespace: 'default', generation: 1 },
  spec: {
    gatewayClassName: 'weft',
    listeners,
    ...(addresses && {
      addresses: addresses.map((value) => ({
        type: value === 'a-name' ? 'Hostname' : 'IPAddress',
        ...(value && { value }),
      })),
    }),
  } as unknown as GatewaySpec,
});
const gatewayClass: Resource = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: { name: 'weft' },
  spec: { controllerName: 'weft.dev/gateway-controller' },
};

interface Conditions {
  readonly conditions: readonly { type: string; status: string; reason: string; message: string }[];
}

/** Of the Gateway and its listeners: `True`, or why not. */
const programmed = (gateway: Resource, gatewayAddresses: readonly GatewayAddress[]): string[] =>
  [statusOf(gateway, gatewayAddresses), ...statusOf(gateway, gatewayAddresses).listeners].map(({ conditions }) => {
    const found = conditions.find(({ type }) => type === 'Programmed');
    return found?.status === 'True' ? 'True' : `${found?.reason}: ${found?.message}`;
  });

interface GatewayStatus extends Conditions {
  readonly addresses: readonly { readonly value: string }[];
  readonly listeners: readonly Conditions[];
}

const statusOf = (gateway: Resource, gatewayAddresses: readonly GatewayAddress[]): GatewayStatus => {
  const compiler = openCompiler({ trustDomain: 'cluster.local' });
  const { statuses } = compiler.compile([gatewayClass, gateway], { revision: 1, nowMs: 0, gatewayAddresses });
  const patch = [...statuses.values()].find(({ resource }) => resource.kind === 'Gateway');
  return patch?.status as GatewayStatus;
};

const AGAIN = 'it is tried again';

describe('listeners that a gateway could not open', () => {
  const cases: Record<string, { gateway?: Resource; serving: GatewayAddress[]; expected: string[] }> = {
    'all is well without refusals': {
      serving: [{ address: '127.0.0.1', refusals: [] }],
      expected: ['True', 'True', 'True'],
    },
    "Weft's own words are passed on, for the one listener that they are about": {
      serving: [
        { address: '127.0.0.1', refusals: ['PORT_TAKEN: 127.0.0.1:8080 is already in use by nginx (pid 7); end it'] },
      ],
      expected: [
        `PortUnavailable: listener b: 127.0.0.1:8080 is already in use by nginx (pid 7); end it; ${AGAIN}`,
        'True',
        `PortUnavailable: 127.0.0.1:8080 is already in use by nginx (pid 7); end it; ${AGAIN}`,
      ],
    },
    "Envoy's words are put plainly": {
      serving: [
        {
          address: '127.0.0.1',
          refusals: ["Error adding/updating listener(s) gateway/80: cannot bind '127.0.0.1:80': Permission denied"],
        },
      ],
      expected: [
        `PortUnavailable: listener a: the user of the gateway may not listen on 127.0.0.1:80; ${AGAIN}`,
        `PortUnavailable: the user of the gateway may not listen on 127.0.0.1:80; ${AGAIN}`,
        'True',
      ],
    },
    'an IPv6 address is found in brackets and without': {
      gateway: gatewayWith(['::1']),
      serving: [
        { address: '127.0.0.1', refusals: ["cannot bind '[::1]:80': Address already in use", 'X: ::1:8080 is busy'] },
      ],
      expected: [
        `PortUnavailable: listener a: ::1:80 is already in use by another program; listener b: ::1:8080 is busy; ${AGAIN}`,
        `PortUnavailable: ::1:80 is already in use by another program; ${AGAIN}`,
        `PortUnavailable: ::1:8080 is busy; ${AGAIN}`,
      ],
    },
    'another address or a longer port is another': {
      serving: [
        {
          address: '127.0.0.1',
          refusals: ['X: 127.0.0.10:80 is busy', 'X: 127.0.0.1:80801 is busy', 'X: 7127.0.0.1:80 is busy'],
        },
      ],
      expected: ['True', 'True', 'True'],
    },
    'a gateway of another Gateway does not count': {
      serving: [
        { address: '127.0.0.1' },
        { address: '127.0.0.1', gateway: 'default/other', refusals: ['X: 127.0.0.1:80 is busy'] },
      ],
      expected: ['True', 'True', 'True'],
    },
  };
  for (const [name, { gateway = gatewayWith(), serving, expected }] of Object.entries(cases)) {
    test(name, () => assert.deepEqual(programmed(gateway, serving), expected));
  }
});

describe('addresses that a Gateway asks for', () => {
  const cases: Record<string, { asked: string[]; refusals?: string[]; expected: string; shown: string[] }> = {
    'are shown when they are bound': {
      asked: ['127.0.0.2', '127.0.0.3'],
      expected: 'True',
      shown: ['127.0.0.2', '127.0.0.3'],
    },
    "one that isn't there is told and left out; Weft's words": {
      asked: ['127.0.0.2', '192.0.2.1'],
      refusals: ['LISTEN_FAILED: can not listen on 192.0.2.1:80: address not available on this machine'],
      expected: `AddressNotUsable: no gateway's machine has the address 192.0.2.1; ${AGAIN}`,
      shown: ['127.0.0.2'],
    },
    "one that isn't there is told and left out; Envoy's words": {
      asked: ['127.0.0.2', '192.0.2.1'],
      refusals: ["gateway/192.0.2.1:80: cannot bind '192.0.2.1:80': Cannot assign requested address"],
      expected: `AddressNotUsable: no gateway's machine has the address 192.0.2.1; ${AGAIN}`,
      shown: ['127.0.0.2'],
    },
    'of another kind leave those that can be served': {
      asked: ['127.0.0.2', 'a-name'],
      expected: 'Invalid: an address of type Hostname is not supported; give an IPAddress; the others are served',
      shown: ['127.0.0.2'],
    },
    'an empty one stands for where the gateway binds': {
      asked: ['', '127.0.0.2'],
      expected: 'True',
      shown: ['127.0.0.1', '127.0.0.2'],
    },
  };
  for (const [name, { asked, refusals = [], expected, shown }] of Object.entries(cases)) {
    test(name, () => {
      const serving = [{ address: '127.0.0.1', refusals }];
      const gateway = gatewayWith(asked);
      assert.equal(programmed(gateway, serving)[0], expected);
      assert.deepEqual(
        statusOf(gateway, serving).addresses.map(({ value }) => value),
        shown,
      );
    });
  }
});
