import assert from 'node:assert/strict';
import { test } from 'node:test';
import { baseCluster, outboundCluster, splitCluster, withGateway, withPolicy } from './cluster-names.ts';

const HOST = 'a.default.svc.cluster.local';
const POLICY = 'default/patience';

for (const protocol of ['', 'h2', 'udp'] as const) {
  test(`a policy and a Gateway are put into a name and taken out again (${protocol || 'plain'})`, () => {
    const name = outboundCluster(80, HOST, protocol);
    const own = withPolicy(name, POLICY);
    assert.notEqual(own, name);
    assert.deepEqual(splitCluster(own), { cluster: name, policy: POLICY });
    assert.deepEqual(splitCluster(name), { cluster: name });
    assert.equal(baseCluster(own), outboundCluster(80, HOST, protocol === 'h2' ? '' : protocol));
    const gateway = 'edge/web';
    assert.deepEqual(splitCluster(withGateway(own, gateway)), { cluster: name, policy: POLICY, gateway });
    assert.deepEqual(splitCluster(withGateway(name, gateway)), { cluster: name, gateway });
  });
}

test('other names stay as they are', () => {
  for (const name of ['inbound|80||', 'other']) {
    assert.deepEqual([baseCluster(name), splitCluster(name)], [name, { cluster: name }]);
  }
});
