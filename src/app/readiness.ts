// The port by which a load balancer learns whether a gateway wants traffic: `/healthz/ready`, as Istio's proxies answer it.
// Opened by data-plane.ts and standalone.ts.
import type { Clock } from '../lib/clock.ts';
import { isWeftError } from '../lib/errors.ts';
import { formatHostPort } from '../lib/host-port.ts';
import type { Log } from '../lib/log.ts';
import { openSmallServer } from '../proxy/admin/small-server.ts';
import type { RequestMessage } from '../proxy/http1/head.ts';

export interface ReadinessOptions {
  readonly address: string;
  /** Absent: 15021, or any free one where that is taken. */
  readonly port: number | undefined;
  readonly isReady: () => boolean | Promise<boolean>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Readiness {
  readonly address: string;
  readonly port: number;
  /** Somebody has asked lately, so that going away has to be told in time. */
  isWatched(): boolean;
  close(): Promise<void>;
}

const USUAL_PORT = 15_021;
const PATH = '/healthz/ready';
/** Load balancers ask every few seconds. */
const WATCHED_MS = 60_000;

const statusOf = async ({ method, path }: RequestMessage, isReady: ReadinessOptions['isReady']): Promise<number> => {
  if (path !== PATH) return 404;
  if (method !== 'GET' && method !== 'HEAD') return 405;
  return (await isReady()) ? 200 : 503;
};

const WORDS: Readonly<Record<number, string>> = {
  200: 'ready',
  503: 'not ready',
  404: `only ${PATH}`,
  405: 'only GET',
};

const open = async ({ address, isReady, clock }: ReadinessOptions, port: number): Promise<Readiness> => {
  let askedAt = Number.NEGATIVE_INFINITY;
  const server = await openSmallServer({
    address,
    port,
    use: 'readiness',
    flag: '--ready-port',
    clock,
    answer: async (request) => {
      const status = await statusOf(request, isReady).catch(() => 503);
      if (status === 200 || status === 503) askedAt = clock.monotonic();
      return { status, type: 'text/plain; charset=UTF-8', body: `${WORDS[status]}\n` };
    },
  });
  return {
    address,
    port: server.port,
    isWatched: () => clock.monotonic() - askedAt < WATCHED_MS,
    close: server.close,
  };
};

/** Throws PORT_TAKEN and its like for a port that the user chose. */
export const openReadiness = async (options: ReadinessOptions): Promise<Readiness> => {
  const readiness = await open(options, options.port ?? USUAL_PORT).catch((error: unknown) => {
    if (options.port !== undefined || !isWeftError(error, 'PORT_TAKEN')) throw error;
    return open(options, 0);
  });
  options.log.info('readiness', { url: `http://${formatHostPort(readiness.address, readiness.port)}${PATH}` });
  return readiness;
};
