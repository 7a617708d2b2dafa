// The name under which an Envoy logs traffic of one listener: what telemetry must know that a log entry doesn't say.
// Written by the Envoy form (xds), read by telemetry.
import type { Listener, ServiceRef } from './snapshot.ts';

export interface LogName {
  readonly direction: Listener['direction'];
  /** `tunnel`: an HTTP CONNECT whose bytes went to a TCP service; an event of protocol tcp. */
  readonly protocol: 'http' | 'tcp' | 'udp' | 'tunnel';
  /** The service that is called, where the listener stands for one. */
  readonly service?: ServiceRef;
}

/** Tag of an Envoy's log entry: what was asked for, where no endpoint can tell: a cluster, or `namespace/name` of a service. */
export const SERVICE_TAG = 'weft.service';

/** `weft/inbound/http/shop/reviews/9080`; without the last three where the listener stands for no service. */
export const formatLogName = ({ direction, protocol, service }: LogName): string =>
  `weft/${direction}/${protocol}${service ? `/${service.namespace}/${service.name}/${service.port}` : ''}`;

const LOG_NAME = /^weft\/(inbound|outbound|gateway)\/(http|tcp|udp|tunnel)(?:\/([^/]+)\/([^/]+)\/(\d{1,5}))?$/;

/** Undefined for what `formatLogName` doesn't write. */
export const parseLogName = (text: string): LogName | undefined => {
  const match = LOG_NAME.exec(text);
  if (!match) return undefined;
  const [, direction, protocol, namespace, name, port] = match;
  return {
    direction: direction as LogName['direction'],
    protocol: protocol as LogName['protocol'],
    ...(namespace && name && { service: { namespace, name, port: Number(port) } }),
  };
};
