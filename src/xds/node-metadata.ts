// ProxyNode as xDS node metadata, strictly checked when it comes in. Encoded by the client and Envoy's bootstrap, decoded
// by the server:
//   NAME, NAMESPACE, SERVICE_ACCOUNT, LABELS        as Istio's agents name them
//   WEFT   { engine, inbound, outbound, admin, localPorts, captureBlock, ports, appAddress, gateway, bindAddress,
//            locality }
//   WEFT_REGISTERS: false                           this stream is not the workload's presence (Envoy beside its agent)
import { isIP } from 'node:net';
import { WeftError } from '../lib/errors.ts';
import type { LocalPort, ProxyNode, SocketAddress } from '../model/node.ts';
import { nodeId } from '../model/node.ts';
import type { JsonObject, JsonValue } from './struct-codec.ts';
import type { WireNode } from './wire.ts';

export interface DecodedNode {
  readonly node: ProxyNode;
  /** False for a stream that only takes configuration. */
  readonly registers: boolean;
}

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const DNS_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const HOST = /^[A-Za-z0-9]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?$/;
const LABEL_KEY = /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
const PORT_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const LOCALITY = /^[A-Za-z0-9._-]{0,63}(\/[A-Za-z0-9._-]{0,63}){0,2}$/;
const MAX_ENTRIES = 256;

const invalid = (field: string, why: string): WeftError =>
  new WeftError('XDS_NODE_INVALID', `the node's ${field} ${why}`, {
    at: `node.${field}`,
    hint: 'is the proxy of the same version as the control plane?',
  });

const objectOf = (value: JsonValue | undefined, field: string): JsonObject => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(field, 'is not an object');
  if (Object.keys(value).length > MAX_ENTRIES) throw invalid(field, `has more than ${MAX_ENTRIES} entries`);
  return value as JsonObject;
};

const textOf = (value: JsonValue | undefined, pattern: RegExp, field: string): string => {
  if (typeof value !== 'string') throw invalid(field, 'is missing or not text');
  if (!pattern.test(value)) throw invalid(field, `is not a valid name: ${JSON.stringify(value.slice(0, 80))}`);
  return value;
};

const portOf = (value: JsonValue | undefined, field: string): number => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 65535) {
    throw invalid(field, 'is not a port number');
  }
  return value;
};

const addressOf = (value: JsonValue | undefined, field: string): string => {
  if (typeof value !== 'string' || isIP(value) === 0) throw invalid(field, 'is not an IP address');
  return value;
};

const socketOf = (value: JsonValue | undefined, field: string): SocketAddress => {
  const object = objectOf(value, field);
  return { address: addressOf(object.address, `${field}.address`), port: portOf(object.port, `${field}.port`) };
};

/** Others are told to call it, so it must not lead them elsewhere. */
const loopbackOf = (value: JsonValue | undefined, field: string): SocketAddress => {
  const socket = socketOf(value, field);
  if (socket.address !== '::1' && !socket.address.startsWith('127.')) throw invalid(field, 'is not a loopback address');
  return socket;
};

const localPortOf = (value: JsonValue, field: string): LocalPort => {
  const object = objectOf(value, field);
  return {
    ...socketOf(value, field),
    host: textOf(object.host, HOST, `${field}.host`),
    servicePort: portOf(object.servicePort, `${field}.servicePort`),
  };
};

const recordOf = <T>(
  value: JsonValue | undefined,
  field: string,
  key: RegExp,
  parse: (value: JsonValue | undefined, field: string) => T,
): Record<string, T> => {
  if (value === undefined) return {};
  return Object.fromEntries(
    Object.entries(objectOf(value, field)).map(([name, item]) => [
      textOf(name, key, `${field} key`),
      parse(item, `${field}.${name}`),
    ]),
  );
};

const localPortsOf = (value: JsonValue | undefined): LocalPort[] => {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalid('metadata.WEFT.localPorts', 'is not a list');
  if (value.length > MAX_ENTRIES) throw invalid('metadata.WEFT.localPorts', `has more than ${MAX_ENTRIES} entries`);
  return value.map((item, i) => localPortOf(item, `metadata.WEFT.localPorts[${i}]`));
};

const blockOf = (value: JsonValue): number => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 254) {
    throw invalid('metadata.WEFT.captureBlock', 'is not a number from 1 to 254');
  }
  return value;
};

interface NodeIdParts {
  role: ProxyNode['role'];
  address: string;
  name: string;
  namespace: string;
}

const parseNodeId = (id: string): NodeIdParts | undefined => {
  const [role, address, workload, domain, more] = id.split('~');
  if ((role !== 'sidecar' && role !== 'gateway') || !address || !workload || !domain || more !== undefined) return;
  const dot = workload.lastIndexOf('.');
  const [name, namespace] = [workload.slice(0, dot), workload.slice(dot + 1)];
  if (dot < 1 || isIP(address) === 0 || !DNS_NAME.test(name) || !DNS_LABEL.test(namespace)) return;
  return { role, address, name, namespace };
};

/** What a node says beside its id; plain JSON, fit for Envoy's bootstrap. */
export const encodeNode = (node: ProxyNode, options: { registers?: boolean } = {}): JsonObject => ({
  NAME: node.name,
  NAMESPACE: node.namespace,
  SERVICE_ACCOUNT: node.serviceAccount,
  LABELS: { ...node.labels },
  ...(options.registers === false && { WEFT_REGISTERS: false }),
  WEFT: {
    engine: node.engine,
    appAddress: node.appAddress,
    localPorts: node.localPorts.map((port) => ({ ...port })),
    ports: { ...node.ports },
    ...(node.inbound && { inbound: { ...node.inbound } }),
    ...(node.hbone && { hbone: { ...node.hbone } }),
    ...(node.outbound && { outbound: { ...node.outbound } }),
    ...(node.admin && { admin: { ...node.admin } }),
    ...(node.captureBlock !== undefined && { captureBlock: node.captureBlock }),
    ...(node.gateway && { gateway: node.gateway }),
    ...(node.bindAddress && { bindAddress: node.bindAddress }),
    ...(node.locality && { locality: node.locality }),
  },
});

const gatewayNameOf = (value: JsonValue): string => {
  const [namespace, name, more] = typeof value === 'string' ? value.split('/') : [];
  if (more !== undefined || !DNS_LABEL.test(namespace ?? '') || !DNS_NAME.test(name ?? '')) {
    throw invalid('metadata.WEFT.gateway', 'is not namespace/name');
  }
  return `${namespace}/${name}`;
};

const engineOf = (value: JsonValue | undefined): ProxyNode['engine'] => {
  if (value !== 'weft' && value !== 'envoy') throw invalid('metadata.WEFT.engine', 'is neither weft nor envoy');
  return value;
};

/** A client that knows nothing of Weft but names itself as Istio's proxies do: an Envoy with an outbound proxy. */
const genericNode = (id: string, parts: NodeIdParts, account: JsonValue | undefined): ProxyNode => ({
  id,
  role: parts.role,
  engine: 'envoy',
  name: parts.name,
  namespace: parts.namespace,
  serviceAccount: typeof account === 'string' && DNS_NAME.test(account) ? account : 'default',
  labels: {},
  ...(parts.role === 'sidecar' && { outbound: { address: '127.0.0.1', port: 15001 } }),
  localPorts: [],
  ports: {},
  appAddress: '127.0.0.1',
});

/** Throws XDS_NODE_INVALID for a node whose form is not exactly as described above. */
export const decodeNode = ({ id, metadata }: WireNode): DecodedNode => {
  const parts = parseNodeId(id);
  if (!parts) {
    throw invalid('id', `is not <role>~<address>~<name>.<namespace>~<domain>: ${JSON.stringify(id.slice(0, 120))}`);
  }
  if (metadata.WEFT === undefined) return { node: genericNode(id, parts, metadata.SERVICE_ACCOUNT), registers: false };
  const own = objectOf(metadata.WEFT, 'metadata.WEFT');
  const node: ProxyNode = {
    id,
    role: parts.role,
    engine: engineOf(own.engine),
    name: textOf(metadata.NAME, DNS_NAME, 'metadata.NAME'),
    namespace: textOf(metadata.NAMESPACE, DNS_LABEL, 'metadata.NAMESPACE'),
    serviceAccount: textOf(metadata.SERVICE_ACCOUNT, DNS_NAME, 'metadata.SERVICE_ACCOUNT'),
    labels: recordOf(metadata.LABELS, 'metadata.LABELS', LABEL_KEY, (value, field) =>
      textOf(value, LABEL_VALUE, field),
    ),
    ...(own.inbound !== undefined && { inbound: socketOf(own.inbound, 'metadata.WEFT.inbound') }),
    ...(own.hbone !== undefined && { hbone: socketOf(own.hbone, 'metadata.WEFT.hbone') }),
    ...(own.outbound !== undefined && { outbound: socketOf(own.outbound, 'metadata.WEFT.outbound') }),
    ...(own.admin !== undefined && { admin: loopbackOf(own.admin, 'metadata.WEFT.admin') }),
    localPorts: localPortsOf(own.localPorts),
    ports: recordOf(own.ports, 'metadata.WEFT.ports', PORT_NAME, (value, field) => portOf(value, field)),
    appAddress: addressOf(own.appAddress, 'metadata.WEFT.appAddress'),
    ...(own.captureBlock !== undefined && { captureBlock: blockOf(own.captureBlock) }),
    ...(own.gateway !== undefined && { gateway: gatewayNameOf(own.gateway) }),
    ...(own.bindAddress !== undefined && { bindAddress: addressOf(own.bindAddress, 'metadata.WEFT.bindAddress') }),
    ...(own.locality !== undefined && { locality: textOf(own.locality, LOCALITY, 'metadata.WEFT.locality') }),
  };
  if (id !== nodeId(node.role, parts.address, node.name, node.namespace)) {
    throw invalid('id', 'names another workload than its metadata');
  }
  if (metadata.WEFT_REGISTERS !== undefined && typeof metadata.WEFT_REGISTERS !== 'boolean') {
    throw invalid('metadata.WEFT_REGISTERS', 'is neither true nor false');
  }
  return { node, registers: metadata.WEFT_REGISTERS !== false };
};
