// The engine Envoy: a process that this one looks after. Loaded by data-plane.ts and standalone-envoy.ts where it is wanted, for
// the gRPC library that gives Envoy its certificates takes 9 MiB.
import { openSdsServer } from '../ca/sds-server.ts';
import type { XdsAddress } from '../envoy/bootstrap.ts';
import { openEnvoyEngine } from '../envoy/engine.ts';
import type { Envoy } from '../envoy/envoy.ts';
import { findEnvoy } from '../envoy/find.ts';
import { systemClock } from '../lib/clock.ts';
import { WeftError } from '../lib/errors.ts';
import { parseHostPort } from '../lib/host-port.ts';
import type { SvidSource } from '../model/identity.ts';
import type { ProxyNode } from '../model/node.ts';
import { encodeNode } from '../xds/node-metadata.ts';
import type { Engine, EngineOptions } from './engines.ts';
import { openEnvoyAdmin } from './envoy-admin.ts';
import { reopenOnSignal } from './log-files.ts';
import { coresOf } from './own-proxy.ts';

/** An Envoy of this process, configured by the xDS at `xds`. */
export const startEnvoy = async (
  node: ProxyNode,
  xds: XdsAddress,
  svid: SvidSource | undefined,
  { envoy, concurrency, log }: Pick<EngineOptions, 'envoy' | 'concurrency' | 'log'>,
): Promise<Envoy> => {
  const { path, version } = await findEnvoy({ option: envoy, env: process.env });
  log.info('starting Envoy', { version, path });
  return openEnvoyEngine({
    path,
    concurrency: coresOf(concurrency),
    xds,
    node: { id: node.id, cluster: node.name, metadata: encodeNode(node, { registers: false }) },
    ...(svid && { openSds: (socketPath) => openSdsServer({ socketPath, source: svid, log: log.child('sds') }) }),
    clock: systemClock,
    log: log.child('envoy'),
  });
};

/** Envoy, fed by the control plane itself; this process gives it its certificates and keeps it running. */
export const openEnvoyDataPlane = async (options: EngineOptions): Promise<Engine> => {
  const { node, membership, svid, log } = options;
  const control = parseHostPort(membership.control);
  if (!control) throw new WeftError('USAGE', `"${membership.control}" is not host:port`, { at: '--control' });
  const envoy = await startEnvoy(node, { ...control, tls: true }, svid, options);
  const stopReopening = reopenOnSignal(() => void envoy.reopenLogs());
  const admin = await openEnvoyAdmin(() => envoy, options.adminPort, log).catch(async (error: unknown) => {
    await envoy.close();
    throw error;
  });
  return {
    ready: envoy.ready,
    admin: { address: admin.address, port: admin.port },
    isReady: () => envoy.isReady(),
    setHealthy: (isHealthy) => envoy.setHealthy(isHealthy),
    drain: (timeoutMs) => envoy.drain(timeoutMs),
    close: async () => {
      stopReopening();
      await envoy.close();
      await admin.close();
    },
  };
};
