// How a proxy finds and joins its control plane: on this machine by the data directory, elsewhere by flags and a token.
import { readFileSync } from 'node:fs';
import { systemCode, WeftError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import { dataDirAt, readControlInfo } from './data-dir.ts';

export interface Membership {
  /** `host:port` of xDS, CA and telemetry. */
  readonly control: string;
  readonly rootPem: string;
  /** A fresh join token for the proxy's service account. */
  readonly joinToken: () => Promise<Secret>;
}

export interface MembershipOptions {
  readonly role: 'sidecar' | 'gateway';
  readonly dataDir: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Set on machines without the data directory: all three. */
  readonly control?: string;
  readonly rootCert?: string;
  readonly tokenFile?: string;
}

/** Throws FILE_UNREADABLE. */
export const readNamedFile = (path: string, what: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new WeftError('FILE_UNREADABLE', `${what} can't be read: ${systemCode(cause) ?? cause}`, { at: path, cause });
  }
};

export const findMembership = (options: MembershipOptions): Membership => {
  const { control, rootCert, tokenFile } = options;
  if (control || rootCert || tokenFile) {
    if (!control || !rootCert || !tokenFile) {
      throw new WeftError('USAGE', '--control, --root-cert and --token-file go together', {
        hint: 'give all three, or none of them where the control plane runs on this machine',
      });
    }
    return {
      control,
      rootPem: readNamedFile(rootCert, 'the root certificate'),
      joinToken: async () => new Secret(readNamedFile(tokenFile, 'the join token')),
    };
  }
  const info = readControlInfo(dataDirAt(options.dataDir));
  return {
    control: info.xds,
    rootPem: info.rootPem,
    joinToken: async () => (await import('./local-api.ts')).localToken(options),
  };
};
