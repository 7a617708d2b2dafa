// The name of an access log that Envoy streams: what telemetry has to know of the listener and can't see in an entry.
// Written by xds/envoy-form into `common_config.log_name`, read by telemetry.
import type { TrafficEvent } from './event.ts';

export interface AccessLogName {
  readonly direction: TrafficEvent['direction'];
  /** The service that the chain stands for, `namespace/name`; absent where that depends on the request. */
  readonly service?: string;
}

/** `weft/inbound/default/reviews`, `weft/outbound`. */
export const formatAccessLogName = ({ direction, service }: AccessLogName): string =>
  service === undefined ? `weft/${direction}` : `weft/${direction}/${service}`;

const LOG_NAME = /^weft\/(inbound|outbound|gateway)(?:\/([^/]{1,253}\/[^/]{1,253}))?$/;

export const parseAccessLogName = (name: string): AccessLogName | undefined => {
  const match = LOG_NAME.exec(name);
  if (!match) return undefined;
  const direction = match[1] as AccessLogName['direction'];
  return match[2] === undefined ? { direction } : { direction, service: match[2] };
};
