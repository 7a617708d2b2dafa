import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWeftError } from '../lib/errors.ts';
import { nodeId, type ProxyNode } from '../model/node.ts';
import { decodeNode, encodeNode } from './node-metadata.ts';
import { decodeStruct, encodeStruct, type JsonObject } from './struct-codec.ts';

const sidecar: ProxyNode = {
  id: nodeId('sidecar', '10.0.0.1', 'reviews-v1-abcde', 'shop'),
  role: 'sidecar',
  engine: 'weft',
  name: 'reviews-v1-abcde',
  namespace: 'shop',
  serviceAccount: 'reviews',
  labels: { app: 'reviews', 'weft.dev/zone': 'a.b_C' },
  inbound: { address: '10.0.0.1', port: 15006 },
  hbone: { address: '10.0.0.1', port: 15008 },
  outbound: { address: '127.0.0.1', port: 15001 },
  admin: { address: '127.0.0.1', port: 15000 },
  localPorts: [{ address: '127.0.0.1', port: 15432, host: 'postgres', servicePort: 5432 }],
  ports: { http: 9080 },
  appAddress: '127.0.0.1',
};
const gateway: ProxyNode = {
  id: nodeId('gateway', '127.0.0.1', 'gateway', 'weft-system'),
  role: 'gateway',
  engine: 'envoy',
  name: 'gateway',
  namespace: 'weft-system',
  serviceAccount: 'gateway',
  labels: {},
  localPorts: [],
  ports: {},
  appAddress: '127.0.0.1',
  gateway: 'shop/main',
  locality: 'eu/eu-a',
  bindAddress: '0.0.0.0',
};

for (const node of [sidecar, gateway]) {
  test(`a ${node.role} comes back from the wire as it was`, () => {
    const metadata = decodeStruct(encodeStruct(encodeNode(node)));
    assert.deepEqual(decodeNode({ id: node.id, metadata }), { node, registers: true });
  });
}

test('a stream that is not the presence of its workload says so', () => {
  const metadata = encodeNode(sidecar, { registers: false });
  assert.equal(decodeNode({ id: sidecar.id, metadata }).registers, false);
});

test('a client that knows nothing of Weft gets the outbound proxy of its namespace', () => {
  const id = 'sidecar~10.1.0.7~load-7.team~team.svc.cluster.local';
  const { node, registers } = decodeNode({ id, metadata: { CLUSTER_ID: 'x', SERVICE_ACCOUNT: 'web' } });
  assert.equal(registers, false);
  assert.deepEqual(
    [node.engine, node.name, node.namespace, node.serviceAccount, node.outbound?.port, node.inbound],
    ['envoy', 'load-7', 'team', 'web', 15001, undefined],
  );
});

const valid = encodeNode(sidecar) as { [key: string]: JsonObject };
const own = valid.WEFT!;

const refused: Record<string, { id?: string; metadata?: JsonObject; field: RegExp }> = {
  'an id of another form': { id: 'envoy-1', field: /^node\.id$/ },
  'an id with a role that is not known': { id: sidecar.id.replace('sidecar', 'ztunnel'), field: /id/ },
  'an id without an address': { id: sidecar.id.replace('10.0.0.1', 'here'), field: /id/ },
  'an id of another workload than the metadata': { id: sidecar.id.replace('reviews', 'orders'), field: /id/ },
  'a namespace that is none': { metadata: { ...valid, NAMESPACE: 'a/../b' }, field: /NAMESPACE/ },
  'no service account': { metadata: { ...valid, SERVICE_ACCOUNT: 7 }, field: /SERVICE_ACCOUNT/ },
  'labels that are no object': { metadata: { ...valid, LABELS: ['a'] }, field: /LABELS/ },
  'a label value with a line break': { metadata: { ...valid, LABELS: { app: 'a\nb' } }, field: /LABELS\.app/ },
  'another engine': { metadata: { ...valid, WEFT: { ...own, engine: 'nginx' } }, field: /engine/ },
  'a port out of range': { metadata: { ...valid, WEFT: { ...own, ports: { http: 70_000 } } }, field: /ports\.http/ },
  'an inbound address that is a name': {
    metadata: { ...valid, WEFT: { ...own, inbound: { address: 'host', port: 1 } } },
    field: /inbound\.address/,
  },
  'an admin interface on another machine': {
    metadata: { ...valid, WEFT: { ...own, admin: { address: '10.0.0.1', port: 15000 } } },
    field: /admin/,
  },
  'more local ports than anybody needs': {
    metadata: { ...valid, WEFT: { ...own, localPorts: Array.from({ length: 300 }, () => ({})) } },
    field: /localPorts/,
  },
  'a gateway that is not namespace/name': {
    metadata: { ...valid, WEFT: { ...own, gateway: 'main' } },
    field: /gateway/,
  },
  'a word where true or false is meant': { metadata: { ...valid, WEFT_REGISTERS: 'no' }, field: /WEFT_REGISTERS/ },
};

for (const [what, { id = sidecar.id, metadata = valid, field }] of Object.entries(refused)) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => decodeNode({ id, metadata }),
      (error) => isWeftError(error, 'XDS_NODE_INVALID') && field.test(error.at ?? ''),
    );
  });
}
