// Reads JSON of an admin interface field by field, as it comes from outside: what is missing is empty. Used by proxy-config-*.ts.
import { formatHostPort } from '../lib/host-port.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null;

export const at = (value: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>((inside, name) => (isObject(inside) ? inside[name] : undefined), value);

export const textAt = (value: unknown, ...path: readonly string[]): string => {
  const found = at(value, ...path);
  return typeof found === 'string' || typeof found === 'number' ? String(found) : '';
};

export const listAt = (value: unknown, ...path: readonly string[]): readonly unknown[] => {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
};

export const namesAt = (value: unknown, ...path: readonly string[]): string[] => listAt(value, ...path).map(String);

/** Where an endpoint is: an address, a socket of this machine, or a listener inside Envoy. */
export const formatAddress = (address: unknown): string => {
  const socket = at(address, 'socket_address');
  if (socket !== undefined) return formatHostPort(textAt(socket, 'address'), Number(textAt(socket, 'port_value')));
  return textAt(address, 'pipe', 'path') || textAt(address, 'envoy_internal_address', 'server_listener_name') || '-';
};
