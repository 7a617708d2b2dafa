// The access logs that an EnvoyProxy asks for, and what of it can't be honoured. Used by gateways.ts and routing.ts.

import type { AccessLogConfig, AccessLogFormat } from '../filters/access-log/schema.ts';
import type { AccessLogSetting, EnvoyProxySpec } from '../kinds/envoy-proxy/schema.ts';
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import type { GatewayClassSpec } from '../kinds/gateway-class/schema.ts';
import type { Input } from './input.ts';
import { unsupportedPaths } from './policy-fields.ts';

export interface ProxyParameters {
  readonly accessLogs: readonly AccessLogConfig[];
  /** Why the Gateway can't be accepted. */
  readonly refusal?: string;
}

interface ParametersRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

const SUPPORTED = new Set(['telemetry.accessLog.disable', 'telemetry.accessLog.settings']);

/** Envoy's own, without what Weft has no value for. */
const DEFAULT_FORMAT: AccessLogFormat = {
  type: 'json',
  fields: {
    start_time: '%START_TIME%',
    method: '%REQ(:METHOD)%',
    'x-envoy-origin-path': '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
    protocol: '%PROTOCOL%',
    response_code: '%RESPONSE_CODE%',
    response_flags: '%RESPONSE_FLAGS%',
    bytes_received: '%BYTES_RECEIVED%',
    bytes_sent: '%BYTES_SENT%',
    duration: '%DURATION%',
    'x-forwarded-for': '%REQ(X-FORWARDED-FOR)%',
    'user-agent': '%REQ(USER-AGENT)%',
    'x-request-id': '%REQ(X-REQUEST-ID)%',
    ':authority': '%REQ(:AUTHORITY)%',
    upstream_host: '%UPSTREAM_HOST%',
    upstream_cluster: '%UPSTREAM_CLUSTER%',
    downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
    downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
    requested_server_name: '%REQUESTED_SERVER_NAME%',
    route_name: '%ROUTE_NAME%',
  },
};

const formatOf = ({ format }: AccessLogSetting): AccessLogFormat => {
  if (format?.text !== undefined) return { type: 'text', text: format.text.replace(/\n$/, '') };
  return format?.json ? { type: 'json', fields: format.json } : DEFAULT_FORMAT;
};

/** The first part that can't be honoured. */
const faultOf = ({ format, matches, sinks, type }: AccessLogSetting): string | undefined => {
  if (format?.type === 'Mix') return 'format.type: Mix';
  if (matches?.length) return 'matches';
  if (type === 'Listener') return 'type: Listener';
  const other = sinks.findIndex((sink) => sink.type !== 'File');
  return other < 0 ? undefined : `sinks[${other}].type: ${sinks[other]!.type}`;
};

const parametersOf = ({ spec }: Input<EnvoyProxySpec>): ProxyParameters => {
  const { disable, settings = [] } = spec?.telemetry?.accessLog ?? {};
  const faults = [
    ...unsupportedPaths(spec ?? {}, SUPPORTED),
    ...settings.flatMap((setting, i) => {
      const fault = faultOf(setting);
      return fault === undefined ? [] : [`telemetry.accessLog.settings[${i}].${fault}`];
    }),
  ];
  if (faults.length > 0) return { accessLogs: [], refusal: `spec.${faults[0]} is not supported` };
  const accessLogs = settings.flatMap((setting) =>
    setting.sinks.map(({ file }) => ({ path: file!.path!, format: formatOf(setting) })),
  );
  return { accessLogs: disable ? [] : accessLogs };
};

export interface Parameters {
  /** Undefined: it names none. */
  ofClass(input: Input<GatewayClassSpec>): ProxyParameters | undefined;
  /** Its own, else its class's. */
  ofGateway(input: Input<GatewaySpec>): ProxyParameters | undefined;
}

export const openParameters = (
  proxies: readonly Input<EnvoyProxySpec>[],
  classes: readonly Input<GatewayClassSpec>[],
): Parameters => {
  const byKey = new Map(proxies.map((input) => [input.key, input]));
  const find = ({ group, kind, name }: ParametersRef, namespace: string): ProxyParameters => {
    const what = `${kind} ${name}`;
    if (group !== 'gateway.envoyproxy.io' || kind !== 'EnvoyProxy') {
      return { accessLogs: [], refusal: `${what} is nothing that Weft knows` };
    }
    const found = byKey.get(`${namespace}/${name}`);
    if (!found) return { accessLogs: [], refusal: `${what} does not exist` };
    const { accessLogs, refusal } = parametersOf(found);
    return refusal === undefined ? { accessLogs } : { accessLogs, refusal: `${what}: ${refusal}` };
  };
  const ofClass = ({ spec: { parametersRef: ref } }: Input<GatewayClassSpec>) => ref && find(ref, ref.namespace ?? '');
  const byName = new Map(classes.map((input) => [input.name, ofClass(input)]));
  return {
    ofClass,
    ofGateway: ({ spec, namespace }) => {
      const ref = spec.infrastructure?.parametersRef;
      return ref ? find(ref, namespace) : byName.get(spec.gatewayClassName);
    },
  };
};
