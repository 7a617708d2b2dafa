// What a proxy and `weft run` ask of the API of the control plane on the same machine, as its administrator. Loaded by
// membership.ts only when it is asked, since client and kinds take memory that a running proxy does not need.
import { type Client, openClient } from '../client/client.ts';
import { parseKubeconfig } from '../client/kubeconfig.ts';
import { findKind } from '../kinds/registry.ts';
import { GATEWAY_LABEL } from '../kinds/service-account/schema.ts';
import { isWeftError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import { dataDirAt } from './data-dir.ts';
import { type MembershipOptions, readNamedFile } from './membership.ts';

/** The API of the control plane that runs on a data directory, as its administrator. */
export const openLocalClient = (dataDir: string): Client => {
  const { kubeconfig } = dataDirAt(dataDir);
  return openClient(parseKubeconfig(readNamedFile(kubeconfig, 'the kubeconfig'), kubeconfig));
};

const SERVICE_ACCOUNT = findKind('v1', 'ServiceAccount')!;

/** Makes the service account where it is missing, and asks for a token that joins its workloads. */
export const localToken = async (options: MembershipOptions): Promise<Secret> => {
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
