// The own engine's CORS: answers preflights, and says on other answers who may read them. Named by registry.ts.
import { compilePattern } from '../../lib/pattern.ts';
import { headerOf, type RequestHead } from '../../model/http.ts';
import type { FilterAnswer, OwnFilter } from '../filter.ts';
import { setHeader } from '../header-modifier/proxy.ts';
import { originPattern } from './origin.ts';
import type { Cors } from './schema.ts';

const ORIGIN = 'access-control-allow-origin';
const CREDENTIALS = 'access-control-allow-credentials';
const EXPOSED = 'access-control-expose-headers';

/** `*` is what the request asks for, so that it holds with credentials too. */
const allowed = (list: readonly string[], asked: string | undefined): string | undefined =>
  list[0] === '*' ? asked : list.length > 0 ? list.join(', ') : undefined;

const preflight = ({ methods, headers, maxAgeSeconds }: Cors, request: RequestHead): FilterAnswer => {
  const method = allowed(methods, headerOf(request, 'access-control-request-method'));
  const names = allowed(headers, headerOf(request, 'access-control-request-headers'));
  return {
    status: 200,
    headers: [
      ...(method === undefined ? [] : ['access-control-allow-methods', method]),
      ...(names === undefined ? [] : ['access-control-allow-headers', names]),
      'access-control-max-age',
      String(maxAgeSeconds),
    ],
  };
};

/** Of a page's own origin's and other programs' requests nothing is known, and nothing changed. */
export const corsFilter: OwnFilter<Cors> = {
  prepare(filters) {
    const cors = filters.at(-1)!;
    const origins = cors.origins.map((origin) => compilePattern(originPattern(origin)));
    // With credentials `*` would be the name of a header.
    const exposed = cors.credentials && cors.exposed[0] === '*' ? '' : cors.exposed.join(', ');
    return {
      open(request, run) {
        const origin = headerOf(request, 'origin');
        if (origin === undefined) return undefined;
        const isPreflight =
          request.method === 'OPTIONS' && headerOf(request, 'access-control-request-method') !== undefined;
        if (!origins.some((pattern) => pattern.matches(origin))) return isPreflight ? { status: 200 } : undefined;
        run.onAnswer(({ headers }) => {
          setHeader(headers, ORIGIN, origin);
          if (cors.credentials) setHeader(headers, CREDENTIALS, 'true');
          if (exposed !== '') setHeader(headers, EXPOSED, exposed);
        });
        return isPreflight ? preflight(cors, request) : undefined;
      },
    };
  },
};
