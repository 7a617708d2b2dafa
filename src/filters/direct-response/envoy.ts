// Direct responses in Envoy's terms. Called by xds/envoy-form.
import type { RouteSchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import type { Init } from '../envoy-message.ts';

export const envoyDirectResponse = (status: number, body: string): NonNullable<Init<typeof RouteSchema>['action']> => ({
  case: 'directResponse',
  value: { status, ...(body !== '' && { body: { specifier: { case: 'inlineString', value: body } } }) },
});
