// `GET /weft/v1/flows` (JSON lines, past and live) and `GET /weft/v1/stats` (JSON). Called by the API for authenticated users.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { WeftError } from '../lib/errors.ts';
import type { TrafficEvent } from '../model/event.ts';
import type { Hub, Subscription } from './hub.ts';
import type { FlowFilter } from './view.ts';

/** The API gives it all below `/weft/v1/flows` and `/weft/v1/stats`, from users it knows. */
export type FlowsHandler = (req: IncomingMessage, res: ServerResponse, user?: unknown) => void;

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
const MAX_FOLLOWERS = 100;
/** Lines that wait for a slow reader; beyond these the oldest are left out. */
const MAX_WAITING = 2_000;

interface Query {
  readonly follow: boolean;
  readonly limit: number;
  readonly filter: FlowFilter;
}

const PARAMETERS = ['follow', 'limit', 'verdict', 'from', 'to', 'status', 'all'];

const bad = (message: string, hint: string): WeftError => new WeftError('FLOWS_QUERY', message, { hint });

const flagOf = (params: URLSearchParams, name: string): boolean => {
  const value = params.get(name);
  if (value === null || value === 'false' || value === '0') return false;
  if (value === 'true' || value === '1' || value === '') return true;
  throw bad(`${name}=${value} is neither true nor false`, `${name}=true`);
};

const limitOf = (params: URLSearchParams): number => {
  const text = params.get('limit') || String(DEFAULT_LIMIT);
  const limit = Number(text);
  if (/^\d{1,5}$/.test(text) && limit <= MAX_LIMIT) return limit;
  throw bad(`limit=${text} is not a number from 0 to ${MAX_LIMIT}`, 'limit=100');
};

/** Throws FLOWS_QUERY. Empty values are as good as absent ones. */
const parseQuery = (params: URLSearchParams): Query => {
  for (const name of params.keys()) {
    if (!PARAMETERS.includes(name)) throw bad(`${name} is no parameter of flows`, `known are ${PARAMETERS.join(', ')}`);
  }
  const verdict = params.get('verdict') || undefined;
  if (verdict !== undefined && verdict !== 'allow' && verdict !== 'deny') {
    throw bad(`verdict=${verdict} is neither allow nor deny`, 'verdict=deny');
  }
  const status = params.get('status') || undefined;
  if (status !== undefined && !/^([1-5]xx|[1-5]\d\d)$/.test(status)) {
    throw bad(`status=${status} is no status`, 'status=503 or status=5xx');
  }
  const from = params.get('from') || undefined;
  const to = params.get('to') || undefined;
  const filter = { verdict, from, to, status, all: flagOf(params, 'all') } as const;
  return { follow: flagOf(params, 'follow'), limit: limitOf(params), filter };
};

const sendJson = (res: ServerResponse, status: number, body: unknown): void => {
  const text = `${JSON.stringify(body)}\n`;
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  res.end(text);
};

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  429: 'TooManyRequests',
};

const sendFailure = (res: ServerResponse, code: number, message: string): void => {
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message };
  sendJson(res, code, { ...status, reason: REASONS[code], code });
};

/** Writes events as lines, no faster than they are read. */
class LineStream {
  readonly #res: ServerResponse;
  readonly #waiting: TrafficEvent[] = [];
  #blocked = false;

  constructor(res: ServerResponse) {
    this.#res = res;
    res.on('drain', () => this.#resume());
  }

  write(event: TrafficEvent): void {
    if (!this.#blocked) {
      this.#blocked = !this.#res.write(`${JSON.stringify(event)}\n`);
      return;
    }
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.splice(0, MAX_WAITING / 10);
    this.#waiting.push(event);
  }

  #resume(): void {
    this.#blocked = false;
    const events = this.#waiting.splice(0);
    for (const event of events) this.write(event);
  }
}

class Flows {
  readonly #hub: Hub;
  #followers = 0;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  answer(res: ServerResponse, query: Query): void {
    if (query.follow && this.#followers >= MAX_FOLLOWERS) {
      sendFailure(res, 429, `${MAX_FOLLOWERS} readers follow the flows already; end one of them`);
      return;
    }
    res.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    // So that a reader knows at once that it is connected, even when nothing flows.
    res.flushHeaders();
    const past = this.#hub.recent(query.limit, query.filter);
    if (!query.follow) {
      res.end(past.map((event) => `${JSON.stringify(event)}\n`).join(''));
      return;
    }
    const stream = new LineStream(res);
    for (const event of past) stream.write(event);
    this.#follow(res, stream, query.filter);
  }

  #follow(res: ServerResponse, stream: LineStream, filter: FlowFilter): void {
    this.#followers++;
    const subscription: Subscription = this.#hub.subscribe(
      filter,
      (event) => stream.write(event),
      () => res.end(),
    );
    res.on('error', () => {});
    res.once('close', () => {
      this.#followers--;
      subscription.close();
    });
  }
}

export const flowsHandler = (hub: Hub): FlowsHandler => {
  const flows = new Flows(hub);
  return (req, res) => {
    const url = req.url ?? '';
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    if (path !== '/weft/v1/flows' && path !== '/weft/v1/stats') {
      sendFailure(res, 404, `there is no ${path}`);
      return;
    }
    if (req.method !== 'GET') {
      res.setHeader('allow', 'GET');
      sendFailure(res, 405, `${path} is read with GET`);
      return;
    }
    if (path === '/weft/v1/stats') {
      sendJson(res, 200, hub.stats());
      return;
    }
    try {
      flows.answer(res, parseQuery(new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))));
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      sendFailure(res, 400, `${error.message} (${error.hint})`);
    }
  };
};
