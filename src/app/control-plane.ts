// The control plane: store, API, compile loop, xDS, certificate authority, telemetry. Opened in order, closed in reverse.
import { readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { openApi } from '../api/api.ts';
import { openTokens } from '../api/tokens.ts';
import { ADMIN_GROUP, audiences } from '../api/user.ts';
import { openAuthority } from '../ca/authority.ts';
import { caService } from '../ca/ca-service.ts';
import { openServerCertificate } from '../ca/server-certificate.ts';
import { openControl } from '../control/control.ts';
import { openGrpcServer } from '../grpc/server.ts';
import { peerOf } from '../grpc/service.ts';
import { kinds } from '../kinds/registry.ts';
import type { Cidr } from '../lib/cidr.ts';
import { systemClock } from '../lib/clock.ts';
import { writeDurably } from '../lib/durable-file.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { Secret } from '../lib/secret.ts';
import { programVersion } from '../lib/version.ts';
import { rateLimitService } from '../limits/service.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { flowsHandler } from '../telemetry/flows.ts';
import { openHub } from '../telemetry/hub.ts';
import { telemetryServices } from '../telemetry/ingest.ts';
import { knownWorkloads } from '../telemetry/known-workloads.ts';
import { openXdsServer } from '../xds/server.ts';
import { openDataDir, writeControlInfo } from './data-dir.ts';
import { endStart } from './end-of-start.ts';
import { GATEWAYS_PATH, gatewayListHandler } from './gateway-list.ts';
import { kubeconfigOf } from './kubeconfig.ts';
import { announceFailure, announceReady, onEnd } from './process.ts';
import { openRateLimits, type RateLimitSettings } from './rate-limits.ts';
import { gatewayCheck, joinVerifier } from './service-accounts.ts';

export interface ControlPlaneOptions extends RateLimitSettings {
  readonly dataDir: string;
  /** Where the TLS ports listen. */
  readonly bindAddress: string;
  readonly apiPort: number;
  readonly browserPort: number;
  readonly xdsPort: number;
  readonly xdsTlsPort: number;
  /** How long certificates of workloads live; 24 h unless told otherwise. */
  readonly svidTtlMs?: number;
  /** How long its own certificate lives; 30 days unless told otherwise. */
  readonly serverTtlMs?: number;
  /** For Gateways that ask for no address. */
  readonly gatewayAddresses?: Cidr;
  /** For Gateways that ask for one that only the cluster reaches. */
  readonly clusterAddresses?: Cidr;
}

export interface ControlPlane {
  /** `https://127.0.0.1:7443` */
  readonly api: string;
  /** The console's address with a token in it. */
  readonly browserLink: string;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const TRUST_DOMAIN = 'cluster.local';
/** Policies of this namespace are for the whole mesh, its service accounts may be gateways. */
const ROOT_NAMESPACE = 'weft-system';

/** Names that the control plane's certificate is good for. */
const serverNames = (bindAddress: string) => ({
  dnsNames: ['localhost', 'control.weft-system.svc.cluster.local', hostname()].filter((name) => /^[\w.-]+$/.test(name)),
  ipAddresses: [...new Set([LOOPBACK, '::1', bindAddress])].filter((address) => !/^(0\.0\.0\.0|::)$/.test(address)),
});

const BROWSER_LINK_MS = 24 * 60 * 60 * 1000;
/** Closes in the reverse order of opening. */
class Opened {
  readonly #closers: (() => unknown)[] = [];

  add<T extends { close(): unknown }>(part: T): T {
    this.#closers.push(() => part.close());
    return part;
  }

  async close(): Promise<void> {
    for (const closer of this.#closers.splice(0).reverse()) await closer();
  }
}

/** Opens everything; what is already open is closed when a later part fails. */
export const openControlPlane = async (options: ControlPlaneOptions, log: Log): Promise<ControlPlane> => {
  const opened = new Opened();
  try {
    return await openParts(options, opened, log);
  } catch (error) {
    await opened.close();
    throw error;
  }
};

const openParts = async (options: ControlPlaneOptions, opened: Opened, log: Log): Promise<ControlPlane> => {
  const clock = systemClock;
  const dir = openDataDir(options.dataDir);
  const store = opened.add(openSqliteStore({ path: dir.store, log: log.child('store') }));
  const { svidTtlMs, serverTtlMs } = options;
  const authority = openAuthority({
    dir: dir.ca,
    trustDomain: TRUST_DOMAIN,
    ...(svidTtlMs !== undefined && { maxLeafTtlMs: svidTtlMs }),
    clock,
    log: log.child('ca'),
  });
  const certificates = opened.add(
    openServerCertificate({
      authority,
      ...serverNames(options.bindAddress),
      ...(serverTtlMs !== undefined && { ttlMs: serverTtlMs }),
      clock,
      log: log.child('ca'),
    }),
  );
  const tokens = await openTokens({ dir: dir.tokens, clock });
  const control = opened.add(
    await openControl({
      store,
      trustDomain: TRUST_DOMAIN,
      rootNamespace: ROOT_NAMESPACE,
      rateLimitFailClosed: options.rateLimitFailClosed,
      ...(options.gatewayAddresses && { gatewayAddresses: options.gatewayAddresses }),
      ...(options.clusterAddresses && { clusterAddresses: options.clusterAddresses }),
      clock,
      log: log.child('control'),
    }),
  );
  const hub = opened.add(
    openHub({
      clock,
      denialPolicies: (event) => control.denialPolicies(event),
      workloadOf: knownWorkloads(() => control.mesh()),
    }),
  );
  const xds = opened.add(
    openXdsServer({
      feed: control.feed,
      sessions: { open: async (node) => control.workloads.connect(node) },
      peerOf,
      trustDomain: TRUST_DOMAIN,
      checkRole: gatewayCheck(store, ROOT_NAMESPACE),
      clock,
      log: log.child('xds'),
    }),
  );
  const rateLimits = opened.add(await openRateLimits(options, log.child('rate-limit')));
  const { bundlePem } = authority;
  const { chainPem, keyPem } = certificates.current();
  const plain = opened.add(await openGrpcServer(`${LOOPBACK}:${options.xdsPort}`, [xds.plaintext]));
  const secured = opened.add(
    await openGrpcServer(
      `${options.bindAddress}:${options.xdsTlsPort}`,
      [
        xds.authenticated,
        caService({ authority, joins: joinVerifier(store, tokens), clock, log: log.child('ca') }),
        rateLimitService({
          ask: rateLimits.ask,
          mayAsk: (call) => peerOf(call) !== undefined,
          log: log.child('rate-limit'),
        }),
        ...telemetryServices({ hub, peerOf, log: log.child('telemetry') }),
      ],
      { chainPem, keyPem, bundlePem },
    ),
  );
  const api = opened.add(
    await openApi({
      store,
      kinds,
      tokens,
      secure: { address: options.bindAddress, port: options.apiPort, certPem: chainPem, keyPem },
      browser: { address: LOOPBACK, port: options.browserPort },
      page: join(import.meta.dirname, '..', 'api', 'page'),
      extra: new Map([
        [GATEWAYS_PATH, gatewayListHandler(() => control.gateways())],
        ['/weft/v1/', flowsHandler(hub)],
      ]),
      version: programVersion(),
      clock,
      log: log.child('api'),
    }),
  );
  certificates.watch((renewed) => {
    api.setSecureContext({ certPem: renewed.chainPem, keyPem: renewed.keyPem });
    secured.replaceIdentity({ ...renewed, bundlePem });
  });

  const server = `https://${options.bindAddress}:${api.secure?.port}`;
  const browser = `http://${LOOPBACK}:${api.browser?.port}`;
  const admin = new Secret(readFileSync(tokens.adminTokenFile, 'utf8').trim());
  writeDurably(dir.kubeconfig, kubeconfigOf({ server, rootPem: bundlePem, token: admin }), { replace: true });
  writeControlInfo(dir, {
    pid: process.pid,
    api: server,
    browser,
    xds: secured.address,
    xdsPlain: plain.address,
    trustDomain: TRUST_DOMAIN,
    rootPem: bundlePem,
  });
  const browserToken = await tokens.issue({
    subject: 'admin',
    groups: [ADMIN_GROUP],
    audience: audiences.link,
    ttlMs: BROWSER_LINK_MS,
  });
  return {
    api: server,
    browserLink: `${browser}/?token=${browserToken.token}`,
    close: async () => {
      rmSync(dir.control, { force: true });
      // The workloads stay: their proxies come back to the next control plane.
      control.workloads.detach();
      await opened.close();
    },
  };
};

/** Runs until it is told to end; answers the exit code. */
export const runControlPlane = async (
  options: ControlPlaneOptions,
  log: Log,
  print: (line: string) => void,
): Promise<number> => {
  const ended = Promise.withResolvers<void>();
  onEnd(() => ended.resolve());
  let plane: ControlPlane;
  try {
    plane = await openControlPlane(options, log);
  } catch (error) {
    if (isWeftError(error)) await announceFailure(error);
    throw error;
  }
  const { api, browserLink } = plane;
  endStart('control');
  announceReady({ api, browserLink });
  print(`api      ${api}`);
  print(`console  ${browserLink}`);
  await ended.promise;
  await plane.close();
  return 0;
};
