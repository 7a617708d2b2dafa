// What Envoy calls the routes of a filter chain. Where policies decide, each chain has its routes for itself, as its
// policies come with them. Used by listener.ts, which asks for the routes, and by form.ts, which encodes them.
import type { FilterChain, HttpHandler, Listener } from '../../model/snapshot.ts';

/** Only what comes in is authorized. */
export const isAuthorizing = ({ direction }: Listener): boolean => direction !== 'outbound';

export const routesName = (listener: Listener, chain: FilterChain, { routes }: HttpHandler): string =>
  isAuthorizing(listener) ? `${listener.name}/${chain.name}/${routes}` : routes;
