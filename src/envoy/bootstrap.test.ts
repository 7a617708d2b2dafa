import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHostPort } from '../lib/host-port.ts';
import { type BootstrapOptions, bootstrapOf } from './bootstrap.ts';

const base: BootstrapOptions = {
  node: { id: 'sidecar~127.0.0.1~a.b~b.svc.cluster.local', cluster: 'a', metadata: { NAME: 'a' } },
  xds: { host: '127.0.0.1', port: 15012, tls: true },
  sdsSocket: '/run/x/sds.sock',
  admin: { socketPath: '/run/x/admin.sock' },
};

/** As Envoy reads it. */
const build = (rest: Partial<BootstrapOptions> = {}) => JSON.parse(JSON.stringify(bootstrapOf({ ...base, ...rest })));
const control = (rest: Partial<BootstrapOptions> = {}) => build(rest).static_resources.clusters[0];
const san = (cluster: ReturnType<typeof control>) =>
  cluster.transport_socket.typed_config.common_tls_context.combined_validation_context.default_validation_context
    .match_typed_subject_alt_names;

const cases: Record<string, { got: () => unknown; want: unknown }> = {
  'checks the address of the control plane in its certificate': {
    got: () => [control().type, san(control())],
    want: ['STATIC', [{ san_type: 'IP_ADDRESS', matcher: { exact: '127.0.0.1' } }]],
  },
  'checks the name of the control plane in its certificate': {
    got: () => {
      const cluster = control({ xds: { host: 'control.example', port: 1, tls: true } });
      return [cluster.type, cluster.transport_socket.typed_config.sni, san(cluster)];
    },
    want: ['STRICT_DNS', 'control.example', [{ san_type: 'DNS', matcher: { exact: 'control.example' } }]],
  },
  'checks another name when told so': {
    got: () => san(control({ xds: { host: '127.0.0.1', port: 1, tls: true, serverName: 'x.example' } })),
    want: [{ san_type: 'DNS', matcher: { exact: 'x.example' } }],
  },
  'speaks plain text over a unix socket': {
    got: () => {
      const cluster = control({ xds: { socketPath: '/run/x/xds.sock' } });
      return [cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address, cluster.transport_socket];
    },
    want: [{ pipe: { path: '/run/x/xds.sock' } }, undefined],
  },
  'comes back to the control plane on a new connection, and soon': {
    got: () => {
      const [{ envoy_grpc: grpc }] = build().dynamic_resources.ads_config.grpc_services;
      const [options] = Object.values(control().typed_extension_protocol_options) as ReturnType<typeof build>[];
      return [grpc.retry_policy.retry_back_off.max_interval, options.common_http_protocol_options];
    },
    want: ['5s', { max_requests_per_connection: 1 }],
  },
  'keeps the admin socket to this user': {
    got: () => build().admin.address,
    want: { pipe: { path: '/run/x/admin.sock', mode: 0o600 } },
  },
  'puts the admin interface on a port when told so': {
    got: () => build({ admin: { address: '127.0.0.1', port: 15000 } }).admin.address,
    want: { socket_address: { address: '127.0.0.1', port_value: 15000 } },
  },
};

for (const [name, { got, want }] of Object.entries(cases)) test(name, () => assert.deepEqual(got(), want));

test('takes host and port apart', () => {
  assert.deepEqual(parseHostPort('127.0.0.1:15012'), { host: '127.0.0.1', port: 15012 });
  assert.deepEqual(parseHostPort('[::1]:1'), { host: '::1', port: 1 });
  for (const text of ['', 'host', 'host:', ':1', 'host:99999', '::1:80', '[x]:1']) {
    assert.equal(parseHostPort(text), undefined, text);
  }
});
