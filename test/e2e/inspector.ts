// Sees which certificates the sidecars of a mesh show now: calls their inbound ports as a member of the mesh. Used by the
// end-to-end tests.
import { connect } from 'node:tls';
import { openSvidSource } from '../../src/ca/svid-source.ts';
import type { Client } from '../../src/client/client.ts';
import { findKind, findKindByName } from '../../src/kinds/registry.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import type { Svid } from '../../src/model/identity.ts';

const WORKLOADS = findKindByName('workloads')!;
const SERVICES = findKindByName('services')!;
const SERVICE_ACCOUNT = findKind('v1', 'ServiceAccount')!;
const NAME = 'inspector';
const LIMIT_MS = 10_000;

interface ServiceSpec {
  readonly ports: readonly { readonly port: number }[];
}

export interface Sidecar {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Any service and port that leads to it. */
  readonly serverName: string;
}

export interface Inspector {
  /** Serial numbers by the name of the workload. */
  serials(): Promise<ReadonlyMap<string, string>>;
  close(): void;
}

/** The sidecars that serve a port of the service that they are named by. */
const findSidecars = async (client: Client): Promise<Sidecar[]> => {
  const services = (await client.list(SERVICES, { namespace: 'default' })).items;
  const portOf = (name: string | undefined): number | undefined => {
    const spec = services.find(({ metadata }) => metadata.name === name)?.spec as ServiceSpec | undefined;
    return spec?.ports[0]?.port;
  };
  return (await client.list(WORKLOADS)).items.flatMap(({ metadata: { name, labels, annotations } }) => {
    const inbound = /^(.+):(\d+)$/.exec(annotations?.['weft.dev/inbound'] ?? '');
    const port = portOf(labels?.app);
    if (!inbound || port === undefined) return [];
    const serverName = `outbound_.${port}_._.${labels?.app}.default.svc.cluster.local`;
    return [{ name, address: inbound[1]!, port: Number(inbound[2]), serverName }];
  });
};

const readSerial = ({ address, port, serverName }: Sidecar, own: Svid): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({
      host: address,
      port,
      servername: serverName,
      key: own.keyPem,
      cert: own.chainPem,
      ca: own.bundlePem,
      // Certificates of workloads name a SPIFFE id, and no host.
      checkServerIdentity: () => undefined,
      timeout: LIMIT_MS,
    });
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new Error(`no answer from ${address}:${port}`)));
    socket.on('error', reject);
  });

/** Joins the mesh as one that serves nothing. */
export const openInspector = async (client: Client, control: { xds: string; rootPem: string }): Promise<Inspector> => {
  const metadata = { name: NAME, namespace: 'default' };
  await client.create(SERVICE_ACCOUNT, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  const source = openSvidSource({
    address: control.xds,
    rootPem: control.rootPem,
    namespace: 'default',
    serviceAccount: NAME,
    joinToken: async () => (await client.createToken('default', NAME)).token,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  await source.ready;
  const sidecars = await findSidecars(client);
  return {
    async serials() {
      const own = source.current();
      const read = async (sidecar: Sidecar) => [sidecar.name, await readSerial(sidecar, own)] as const;
      return new Map(await Promise.all(sidecars.map(read)));
    },
    close: () => source.close(),
  };
};
