// The type URLs that are spoken over xDS. Used by the forms, the server and the client.

const PREFIX = 'type.googleapis.com/';

/** Envoy's own types. */
export const ENVOY = {
  cluster: `${PREFIX}envoy.config.cluster.v3.Cluster`,
  endpoints: `${PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`,
  secret: `${PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret`,
  listener: `${PREFIX}envoy.config.listener.v3.Listener`,
  routes: `${PREFIX}envoy.config.route.v3.RouteConfiguration`,
} as const;

/** Weft's own: the value is the model's object as JSON. */
export const OWN = {
  cluster: `${PREFIX}weft.v1.Cluster`,
  endpoints: `${PREFIX}weft.v1.EndpointSet`,
  secret: `${PREFIX}weft.v1.TlsSecret`,
  listener: `${PREFIX}weft.v1.Listener`,
  /** Without its virtual hosts, which are resources of their own: of a large table little changes at a time. */
  routes: `${PREFIX}weft.v1.RouteTable`,
  virtualHost: `${PREFIX}weft.v1.VirtualHost`,
  names: `${PREFIX}weft.v1.NameRecord`,
  /** Ends every push: what came before it makes one whole snapshot. */
  snapshot: `${PREFIX}weft.v1.Snapshot`,
} as const;

/** A report about the workload's health; `error_detail` set: unhealthy. As Istio's agents send it. */
export const HEALTH_TYPE = `${PREFIX}istio.v1.HealthInformation`;

/** Says who is there and asks for nothing: the stream of an agent whose Envoy has its own. */
export const PRESENCE_TYPE = `${PREFIX}weft.v1.Presence`;
