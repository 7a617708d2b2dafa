// Names of clusters and server names, as Istio writes them, so that tools which know them understand Weft's. Used by compile and snapshots.

/** The full DNS name of a service; a ServiceEntry has its host. */
export const serviceHost = ({
  name,
  namespace,
  ...rest
}: {
  name: string;
  namespace: string;
  origin?: string;
}): string => (rest.origin === 'ServiceEntry' ? name : `${name}.${namespace}.svc.cluster.local`);

/** A service may have one number as a TCP port and as a UDP port, and HTTP/2 may be spoken to a port that does not declare it. */
export const outboundCluster = (port: number, host: string, protocol: '' | 'udp' | 'h2' = ''): string =>
  `outbound|${port}${protocol && `/${protocol}`}||${host}`;

const PARTS = /^(outbound\|[0-9]+(?:\/udp)?)(\/h2)?\|([^|]*)\|/;

/** Most names: they belong to no policy and no Gateway. Asked thousands of times with each edit. */
const isPlain = (cluster: string): boolean => cluster.includes('||');

/** The cluster whose endpoints those of an `h2` one are, without a policy's or Gateway's name; a name itself otherwise. */
export const baseCluster = (cluster: string): string =>
  isPlain(cluster) && !cluster.includes('/h2||') ? cluster : cluster.replace(PARTS, '$1||');

/** The cluster as a policy changes it: its name stands where Istio has a subset's. */
export const withPolicy = (cluster: string, policy: string): string => cluster.replace(PARTS, `$1$2|${policy}|`);

/** The cluster as one Gateway uses it; behind a policy, if there is one. */
export const withGateway = (cluster: string, gateway: string): string => cluster.replace(PARTS, `$1$2|$3@${gateway}|`);

/** The cluster for connections whose TLS is passed on as it comes: a BackendTLSPolicy, which would put it into another, is not for it. */
export const withoutTls = (cluster: string): string =>
  cluster.replace(PARTS, (_, port, variant = '', subset) => `${port}${variant}|${subset.split('@')[0]}@${PASSED_ON}|`);

/** Unlike any Gateway's. */
const PASSED_ON = 'passthrough';

export const isPassedOn = (cluster: string): boolean => splitCluster(cluster).gateway === PASSED_ON;

export interface ClusterParts {
  readonly cluster: string;
  readonly policy?: string;
  readonly gateway?: string;
}

/** The name alone, and whose it is: of a policy, of a Gateway, `namespace/name` each; undefined where there is none. */
export const splitCluster = (cluster: string): ClusterParts => {
  const subset = isPlain(cluster) ? '' : PARTS.exec(cluster)?.[3];
  if (!subset) return { cluster };
  const [policy, gateway] = subset.split('@');
  return { cluster: withPolicy(cluster, ''), ...(policy && { policy }), ...(gateway && { gateway }) };
};

export const inboundCluster = (port: number): string => `inbound|${port}||`;

/** The server name by which a caller says which service and port it wants. */
export const meshServerName = (port: number, host: string): string => `outbound_.${port}_._.${host}`;
