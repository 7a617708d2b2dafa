// HBONE with a real Envoy at the other end: as the client that opens tunnels, and as the server that ends them.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Cluster, FilterChain } from '../../src/model/snapshot.ts';
import { FakeAuthority, spiffeId } from '../fakes/mesh-ca.ts';
import {
  chain,
  cluster,
  endpoint,
  forward,
  httpHandler,
  listener,
  route,
  snapshot,
  startProxy,
  tcpHandler,
} from '../fakes/proxy-under-test.ts';
import { type RawPeer, rawClient, rawServer } from '../fakes/raw-peer.ts';
import { socketAt, startStaticEnvoy, typed } from '../fakes/static-envoy.ts';

const authority = new FakeAuthority();
const SERVER = spiffeId('b');
const CLIENT = spiffeId('a', 'shop');
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** Says the same to every request. */
const answer = (peer: RawPeer): void => {
  peer.socket.on('data', () => {
    if (!peer.text.endsWith('\r\n\r\n')) return;
    peer.text = '';
    peer.write(OK);
  });
};

const commonTls = (identity: string) => {
  const { keyPem, chainPem } = authority.issue({ uris: [identity] });
  return {
    alpn_protocols: ['h2'],
    tls_certificates: [{ certificate_chain: { inline_string: chainPem }, private_key: { inline_string: keyPem } }],
    validation_context: { trusted_ca: { inline_string: authority.rootPem } },
  };
};

const transport = (context: object) => ({ name: 'envoy.transport_sockets.tls', typed_config: context });

const staticCluster = (name: string, port: number, more: object = {}) => ({
  name,
  type: 'STATIC',
  connect_timeout: '5s',
  load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAt(port) } }] }] },
  ...more,
});

/** Takes TCP, and opens a tunnel to `target` for each connection. */
const envoyClient = (hbonePort: number, target: number) =>
  startStaticEnvoy({
    listeners: [
      {
        name: 'client',
        address: socketAt(0),
        filter_chains: [
          {
            filters: [
              {
                name: 'tcp',
                typed_config: typed('extensions.filters.network.tcp_proxy.v3.TcpProxy', {
                  stat_prefix: 'client',
                  cluster: 'tunnel',
                  tunneling_config: { hostname: `127.0.0.1:${target}` },
                }),
              },
            ],
          },
        ],
      },
    ],
    clusters: [
      staticCluster('tunnel', hbonePort, {
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed(
            'extensions.upstreams.http.v3.HttpProtocolOptions',
            { explicit_http_config: { http2_protocol_options: {} } },
          ),
        },
        transport_socket: transport(
          typed('extensions.transport_sockets.tls.v3.UpstreamTlsContext', { common_tls_context: commonTls(CLIENT) }),
        ),
      }),
    ],
  });

/** Ends tunnels, and connects to `target`. */
const envoyServer = (target: number) =>
  startStaticEnvoy({
    listeners: [
      {
        name: 'server',
        address: socketAt(0),
        filter_chains: [
          {
            transport_socket: transport(
              typed('extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
                common_tls_context: commonTls(SERVER),
                require_client_certificate: true,
              }),
            ),
            filters: [
              {
                name: 'http',
                typed_config: typed('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
                  stat_prefix: 'server',
                  codec_type: 'HTTP2',
                  http2_protocol_options: { allow_connect: true },
                  upgrade_configs: [{ upgrade_type: 'CONNECT' }],
                  route_config: {
                    virtual_hosts: [
                      {
                        name: 'all',
                        domains: ['*'],
                        routes: [
                          {
                            match: { connect_matcher: {} },
                            route: {
                              cluster: 'program',
                              upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
                            },
                          },
                        ],
                      },
                    ],
                  },
                  http_filters: [{ name: 'router', typed_config: typed('extensions.filters.http.router.v3.Router') }],
                }),
              },
            ],
          },
        ],
      },
    ],
    clusters: [staticCluster('program', target)],
  });

const PROTOCOLS: Record<'http1' | 'tcp', FilterChain> = {
  http1: chain(httpHandler()),
  tcp: chain(tcpHandler('inbound|80||')),
};

/** Weft's proxy as the server before a program. */
const weftServer = async (t: TestContext, port: number, inner: FilterChain) => {
  const handler = {
    type: 'hbone',
    addresses: ['127.0.0.1'],
    ports: [{ port, chains: [inner] }],
    idleTimeoutMs: 60_000,
  } as const;
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([chain(handler, { tls: { mode: 'mesh' } })], { direction: 'inbound' })],
      routes: [route(forward('inbound|80||'))],
      clusters: [cluster('inbound|80||', [endpoint(port)])],
    }),
    { svid: authority.source(SERVER) },
  );
  t.after(() => proxy.close());
  return proxy;
};

const weftClient = async (t: TestContext, port: number, hbonePort: number, protocol: Cluster['protocol']) => {
  const there = endpoint(port, { mesh: true, identity: SERVER, hbone: { port: hbonePort } });
  const tls = { mode: 'mesh', sni: 'b.mesh', identities: [SERVER] } as const;
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([protocol === 'tcp' ? chain(tcpHandler('b')) : chain(httpHandler())])],
      routes: [route(forward('b'))],
      clusters: [cluster('b', [there], { protocol, tls })],
    }),
    { svid: authority.source(CLIENT) },
  );
  t.after(() => proxy.close());
  return proxy;
};

for (const protocol of ['http1', 'tcp'] as const) {
  for (const client of ['weft', 'envoy'] as const) {
    test(`${protocol} with ${client} as the client and the other as the server`, async (t) => {
      const backend = await rawServer(answer);
      t.after(() => backend.close());
      let port: number;
      if (client === 'envoy') {
        const proxy = await weftServer(t, backend.port, PROTOCOLS[protocol]);
        const envoy = await envoyClient(proxy.port(), backend.port);
        t.after(() => envoy.close());
        port = envoy.port('client');
      } else {
        const envoy = await envoyServer(backend.port);
        t.after(() => envoy.close());
        port = (await weftClient(t, backend.port, envoy.port('server'), protocol)).port();
      }
      for (let n = 0; n < 3; n++) {
        const caller = await rawClient(port);
        caller.write(GET);
        assert.match(await caller.take('\r\n\r\nok'), /^HTTP\/1\.1 200 OK\r\n/);
        caller.destroy();
      }
    });
  }
}
