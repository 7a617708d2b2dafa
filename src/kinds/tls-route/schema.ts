// gateway.networking.k8s.io TLSRoute: where TLS connections go, by the server name that the client asks for.
import { isIP } from 'node:net';
import type { Rule } from '../kind.ts';
import { hostnameItem } from '../route-parts.ts';
import { list } from '../schema.ts';
import { streamRoute } from '../stream-route.ts';

const noAddresses: Rule<readonly string[]> = (hostnames, refuse) => {
  hostnames.forEach((hostname, i) => {
    if (isIP(hostname)) refuse(`[${i}]`, `"${hostname}" is an IP address, not a host name`);
  });
};

export const tlsRoute = streamRoute(
  'TLSRoute',
  'Where TLS connections go, by the server name that the client asks for.',
  ['v1alpha3', 'v1alpha2'],
  {
    'hostnames!': list('Server names, exact or *.suffix.', hostnameItem, {
      minItems: 1,
      maxItems: 1024,
      rules: [noAddresses],
    }),
  },
);
