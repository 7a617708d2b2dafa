// gateway.networking.k8s.io TLSRoute: where TLS connections go, by the server name that the client asks for.
import { isIP } from 'node:net';
import type { Kind, Rule } from '../kind.ts';
import { hostnameItem } from '../route-parts.ts';
import { list } from '../schema.ts';
import { streamRoute } from '../stream-route.ts';

const noAddresses: Rule<readonly string[]> = (hostnames, refuse) => {
  hostnames.forEach((hostname, i) => {
    if (isIP(hostname)) refuse(`[${i}]`, `"${hostname}" is an IP address, not a host name`);
  });
};

const DESCRIPTION = 'Where TLS connections go, by the server name that the client asks for.';

const route = streamRoute('TLSRoute', DESCRIPTION, ['v1alpha3', 'v1alpha2'], {
  'hostnames!': list('Server names, exact or *.suffix.', hostnameItem, {
    minItems: 1,
    maxItems: 1024,
    rules: [noAddresses],
  }),
});

const early = streamRoute('TLSRoute', DESCRIPTION, [], {
  hostnames: list('Server names; those of the listener when unset.', hostnameItem, { maxItems: 1024 }),
});

export const tlsRoute: Kind = { ...route, wider: { version: 'v1alpha2', schema: early.schema } };
