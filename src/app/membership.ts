// How a proxy finds and joins its control plane: on this machine by the data directory, elsewhere by flags and a token.
import { readFileSync } from 'node:fs';
import { type Client, openClient } from '../client/client.ts';
import { parseKubeconfig } from '../client/kubeconfig.ts';
import { findKind } from '../kinds/registry.ts';
import { GATEWAY_LABEL } from '../kinds/service-account/schema.ts';
import { isWeftError, systemCode, WeftError } from '../lib/errors.ts';
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

const readNamedFile = (path: string, what: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new WeftError('FILE_UNREADABLE', `${what} can't be read: ${systemCode(cause) ?? cause}`, { at: path, cause });
  }
};

/** The API of the control plane that runs on a data directory, as its administrator. */
export const openLocalClient = (dataDir: string): Client => {
  const { kubeconfig } = dataDirAt(dataDir);
  return openClient(parseKubeconfig(readNamedFile(kubeconfig, 'the kubeconfig'), kubeconfig));
};

const SERVICE_ACCOUNT = findKind('v1', 'ServiceAccount')!;

/** Makes the service account where it is missing, and asks for a token that joins its workloads. */
const localToken = async (options: MembershipOptions): Promise<Secret> => {
  const { namespace, serviceAccount: name, role } = options;
  const labels = role === 'gateway' ? { [GATEWAY_LABEL]: 'true' } : {};
  const client = openLocalClient(options.dataDir);
  try {
    await client
      .create(SERVICE_ACCOUNT, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace, labels } })
      .catch((error) => {
        if (!isWeftError(error, 'API_EXISTS')) throw error;
      });
    return (await client.createToken(namespace, name)).token;
  } finally {
    client.close();
  }
};

const SERVICE = findKind('v1', 'Service')!;

export interface ServiceWish {
  readonly dataDir: string;
  readonly namespace: string;
  readonly service: string;
  readonly ports: Readonly<Record<string, number>>;
}

/** Makes a Service over the workloads labelled `app=<service>`, unless there is one of that name. */
export const ensureService = async ({ dataDir, namespace, service: name, ports }: ServiceWish): Promise<void> => {
  const client = openLocalClient(dataDir);
  const spec = {
    selector: { app: name },
    ports: Object.entries(ports).map(([port, number]) => ({ name: port, port: number, targetPort: port })),
  };
  try {
    await client.create(SERVICE, { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec });
  } catch (error) {
    if (!isWeftError(error, 'API_EXISTS')) throw error;
  } finally {
    client.close();
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
  return { control: info.xds, rootPem: info.rootPem, joinToken: () => localToken(options) };
};
