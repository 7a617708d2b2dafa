// gateway.networking.k8s.io TLSRoute: where TLS connections go, by the server name that the client asks for.
import { hostnameItem } from '../route-parts.ts';
import { list } from '../schema.ts';
import { streamRoute } from '../stream-route.ts';

export const tlsRoute = streamRoute(
  'TLSRoute',
  'Where TLS connections go, by the server name that the client asks for.',
  ['v1alpha3', 'v1alpha2'],
  { 'hostnames!': list('Server names, exact or *.suffix.', hostnameItem, { minItems: 1, maxItems: 1024 }) },
);
