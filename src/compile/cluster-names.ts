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

/** The cluster whose endpoints those of an `h2` one are; undefined for every other name. */
export const baseOfH2 = (cluster: string): string | undefined => {
  const base = cluster.replace(/^(outbound\|[0-9]+)\/h2\|/, '$1|');
  return base === cluster ? undefined : base;
};

export const inboundCluster = (port: number): string => `inbound|${port}||`;

/** The server name by which a caller says which service and port it wants. */
export const meshServerName = (port: number, host: string): string => `outbound_.${port}_._.${host}`;
