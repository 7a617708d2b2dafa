// An endpoint that fails in the ways in which programs do, when it is told to, and says when each caller last met that. For
// the measurement and the tests of failover.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** What it does with every request, questions for its health too. */
export type Behaviour = 'well' | 'error' | 'hang' | 'reset' | 'closed';

export const HEALTH_PATH = '/healthz';
/** Who asks: endpoints count by it. */
export const CALLER_HEADER = 'x-caller';

interface Caller {
  /** Requests while it failed, and when the last of them came. */
  met: number;
  lastMetAt: number;
  /** The first request that it answered since it is well again. */
  firstServedAt: number | undefined;
}

export class FailingEndpoint {
  readonly name: string;
  readonly #address: string;
  #server: Server | undefined;
  #port = 0;
  #behaviour: Behaviour = 'well';
  #held: ServerResponse[] = [];
  readonly #callers = new Map<string, Caller>();

  constructor(name: string, address: string) {
    this.name = name;
    this.#address = address;
  }

  get port(): number {
    return this.#port;
  }

  async open(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response));
    server.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(this.#port, this.#address, resolve);
    });
    this.#port = (server.address() as { port: number }).port;
    this.#server = server;
  }

  /** From now on. `closed`: as a program that was killed. */
  async behave(behaviour: Behaviour): Promise<void> {
    this.#callers.clear();
    this.#behaviour = behaviour;
    if (behaviour === 'closed') await this.close();
    else if (!this.#server) await this.open();
    for (const response of this.#held.splice(0)) this.#serve(response);
  }

  /** Of the time since it was last told how to behave. */
  caller(name: string): Readonly<Caller> {
    return this.#caller(name);
  }

  #caller(name: string): Caller {
    const found = this.#callers.get(name) ?? { met: 0, lastMetAt: 0, firstServedAt: undefined };
    this.#callers.set(name, found);
    return found;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const name = request.headers[CALLER_HEADER];
    if (typeof name === 'string') this.#count(this.#caller(name));
    if (this.#behaviour === 'error') response.writeHead(500).end('bad');
    else if (this.#behaviour === 'reset') request.socket.resetAndDestroy();
    else if (this.#behaviour === 'hang') this.#held.push(response);
    else this.#serve(response);
  }

  #count(caller: Caller): void {
    if (this.#behaviour === 'well') caller.firstServedAt ??= performance.now();
    else {
      caller.met++;
      caller.lastMetAt = performance.now();
    }
  }

  #serve(response: ServerResponse): void {
    response.writeHead(200, { 'x-endpoint': this.name }).end('well');
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

/** What a user writes so that one bad endpoint of several is not noticed. */
export const FAILOVER_POLICY = {
  retry: {
    numRetries: 3,
    retryOn: { triggers: ['5xx', 'reset'] },
    perRetry: { timeout: '250ms', backOff: { baseInterval: '5ms' } },
  },
  healthCheck: {
    active: { type: 'HTTP', interval: '250ms', timeout: '250ms', unhealthyThreshold: 2, http: { path: HEALTH_PATH } },
    passive: { consecutive5XxErrors: 3, interval: '1s', baseEjectionTime: '30s', maxEjectionPercent: 50 },
  },
};
