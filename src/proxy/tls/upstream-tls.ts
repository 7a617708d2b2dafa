// TLS to ordinary servers: what is shown, whose certificates are taken, sessions that are resumed. Owned by proxy.ts, called by dial.ts.
import * as tls from 'node:tls';
import { type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { type BackendTlsOptions, prepareBackendTls } from '../../filters/backend-tls/proxy.ts';
import type { SimpleTls } from '../../filters/backend-tls/schema.ts';
import { messageOf, WeftError } from '../../lib/errors.ts';
import type { Cluster, Snapshot, SnapshotSecret } from '../../model/snapshot.ts';

/** Endpoints whose newest session is remembered; the oldest is forgotten first. */
const MAX_SESSIONS = 1000;

interface Prepared {
  readonly parts: readonly (SnapshotSecret | undefined)[];
  readonly context: SecureContext;
  readonly check: BackendTlsOptions['check'];
  readonly sessions: Map<string, Buffer>;
}

/** The secrets that a cluster's TLS names; what is missing is undefined. */
export const secretsFor = ({ tls }: Cluster, secrets: Snapshot['secrets']): (SnapshotSecret | undefined)[] =>
  tls.mode === 'simple' ? [tls.ca, tls.certificate].map((name) => (name === undefined ? name : secrets.get(name))) : [];

const prepare = (config: SimpleTls, parts: Prepared['parts']): Prepared => {
  const [authorities, own] = parts;
  const { secure, check } = prepareBackendTls(config, { authorities, own }, systemRoots);
  try {
    return { parts, context: createSecureContext(secure), sessions: new Map(), check };
  } catch (error) {
    throw new WeftError('TLS_INVALID', `the TLS settings for ${config.sni} can not be used: ${messageOf(error)}`);
  }
};

/** Those of the machine; where it has none, or the runtime can't tell, the ones that came with the runtime. */
const systemRoots = (): string[] => {
  const roots = tls.getCACertificates?.('system') ?? [];
  return roots.length > 0 ? roots : [...tls.rootCertificates];
};

export class UpstreamTlsContexts {
  #secrets: Snapshot['secrets'] = new Map();
  readonly #prepared = new WeakMap<SimpleTls, Prepared>();

  /** From here on, for new connections. */
  use(secrets: Snapshot['secrets']): void {
    this.#secrets = secrets;
  }

  /** For `connect` of node:tls. Throws where a certificate is missing. `place`: the endpoint. */
  optionsFor(cluster: Cluster, tls: SimpleTls, place: string): ConnectionOptions {
    const { context, check, sessions } = this.#of(cluster, tls);
    const session = sessions.get(place);
    return {
      secureContext: context,
      servername: tls.sni,
      rejectUnauthorized: true,
      checkServerIdentity: check,
      ...(session && { session }),
    };
  }

  /** Remembers the sessions that the server gives out. */
  follow(cluster: Cluster, tls: SimpleTls, place: string, socket: TLSSocket): void {
    const { sessions } = this.#of(cluster, tls);
    socket.on('session', (session: Buffer) => {
      sessions.delete(place);
      sessions.set(place, session);
      if (sessions.size > MAX_SESSIONS) sessions.delete(sessions.keys().next().value!);
    });
  }

  #of(cluster: Cluster, tls: SimpleTls): Prepared {
    const parts = secretsFor(cluster, this.#secrets);
    const before = this.#prepared.get(tls);
    if (before?.parts.every((part, i) => part === parts[i])) return before;
    const prepared = prepare(tls, parts);
    this.#prepared.set(tls, prepared);
    return prepared;
  }
}
