// The rules for a Gateway that its schema can't say; the published API has them as CEL.
import { isIP } from 'node:net';
import type { Problem } from '../../model/problem.ts';
import type { Resource } from '../../model/resource.ts';
import { invalidField, missingField, repeated } from '../problems.ts';
import { specOf } from '../schema.ts';
import type { GatewaySpec, ListenerSpec } from './types.ts';

export const validateGateway = (resource: Resource): Problem[] => {
  const { listeners = [], addresses = [], infrastructure, tls } = specOf<GatewaySpec>(resource);
  const found = listeners.flatMap((listener, i) => checkListener(resource, listener, `spec.listeners[${i}]`));
  const same = repeated(listeners, ({ port, protocol, hostname }) => JSON.stringify([port, protocol, hostname]));
  for (const { item, index } of same) {
    const what = `port ${item.port}, protocol ${item.protocol} and ${item.hostname ? `hostname ${item.hostname}` : 'no hostname'}`;
    found.push(invalidField(resource, `spec.listeners[${index}]`, `an earlier listener has the same ${what}`));
  }
  addresses.forEach(({ type, value }, i) => {
    if (type === 'IPAddress' && value && !isIP(value)) {
      found.push(invalidField(resource, `spec.addresses[${i}].value`, `"${value}" is not an IP address`));
    }
  });
  for (const { item, index } of repeated(
    addresses.filter(({ value }) => value),
    ({ type, value }) => `${type} ${value}`,
  )) {
    found.push(invalidField(resource, `spec.addresses[${index}]`, `"${item.value}" is there twice`));
  }
  for (const [key, value] of Object.entries(infrastructure?.labels ?? {})) {
    if (!/^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/.test(value)) {
      found.push(invalidField(resource, `spec.infrastructure.labels.${key}`, `"${value}" is not a label value`));
    }
  }
  if (tls?.frontend && !listeners.some(({ protocol }) => protocol === 'HTTPS')) {
    found.push(invalidField(resource, 'spec.tls.frontend', 'needs a listener with protocol HTTPS'));
  }
  return found;
};

const checkListener = (resource: Resource, listener: ListenerSpec, path: string): Problem[] => {
  const { protocol, tls, hostname } = listener;
  const found: Problem[] = [];
  if (tls && ['HTTP', 'TCP', 'UDP'].includes(protocol)) {
    found.push(
      invalidField(resource, `${path}.tls`, `must not be set for protocol ${protocol}`, 'use protocol: HTTPS or TLS'),
    );
  }
  if (protocol === 'HTTPS' && tls?.mode === 'Passthrough') {
    found.push(invalidField(resource, `${path}.tls.mode`, 'must be Terminate for protocol HTTPS'));
  }
  if (protocol === 'TLS' && !tls) {
    found.push(missingField(resource, `${path}.tls`, 'is required for protocol TLS'));
  }
  if (hostname && ['TCP', 'UDP'].includes(protocol)) {
    found.push(invalidField(resource, `${path}.hostname`, `must not be set for protocol ${protocol}`));
  }
  if (tls?.mode === 'Terminate' && !tls.certificateRefs?.length && !Object.keys(tls.options ?? {}).length) {
    const message = 'certificateRefs are required when mode is Terminate';
    found.push(missingField(resource, `${path}.tls.certificateRefs`, message));
  }
  return found;
};
