// A proxy's channel to the control plane: for snapshots, certificates and traffic events. Used by the clients of xds, ca
// and telemetry.
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type ChannelOptions, Client, credentials } from '@grpc/grpc-js';
import { parseHostPort } from '../lib/host-port.ts';

/** How a channel proves who it is, and what it checks the control plane against; PEM. */
export interface ChannelTls {
  /** Roots that the control plane's certificate is checked against. */
  readonly caPem: string;
  /** The proxy's own certificate; absent before its first one. */
  readonly own?: { readonly chainPem: string; readonly keyPem: string } | undefined;
  /** The name that the control plane's certificate must have; absent: the host of the address. */
  readonly serverName?: string | undefined;
}

const OPTIONS: ChannelOptions = {
  // Each connection with the certificate of its time, shared with nobody.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.enable_retries': 0,
  // HTTP_PROXY in the environment is the mesh's own, for the workload.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

/** An address is no server name in TLS (RFC 6066), so one stands in for it; the certificate is checked for the address. */
const STAND_IN = 'control.weft';

/** Connects to `host:port` with the first call; without `tls` in plain text, for loopback. */
export const openChannel = (address: string, tls: ChannelTls | undefined, maxMessageBytes: number): Client => {
  const options = { ...OPTIONS, 'grpc.max_receive_message_length': maxMessageBytes };
  if (!tls) return new Client(address, credentials.createInsecure(), options);
  const { caPem, own, serverName } = tls;
  const host = serverName ?? parseHostPort(address)?.host ?? address;
  const secure = credentials.createSsl(
    Buffer.from(caPem),
    own ? Buffer.from(own.keyPem) : null,
    own ? Buffer.from(own.chainPem) : null,
    { checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate as PeerCertificate) },
  );
  return new Client(address, secure, { ...options, 'grpc.ssl_target_name_override': isIP(host) ? STAND_IN : host });
};
