// Requests for the shop's page one after the other on kept connections, each answer checked. Used by the end-to-end tests.
import { Agent, get } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export interface LoadResult {
  readonly requests: number;
  /** What was wrong with each failed one. */
  readonly failures: readonly string[];
  /** Pages by the version of reviews that answered. */
  readonly versions: Readonly<Record<string, number>>;
  /** How many connections were used. */
  readonly connections: number;
}

export interface Load {
  /** Lets the running requests end. */
  stop(): Promise<LoadResult>;
  /** Requests that have ended so far. */
  count(): number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const ask = (url: string, agent: Agent, sockets: Set<Socket>): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const call = get(url, { agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
      });
      response.on('error', reject);
    });
    call.on('socket', (socket) => sockets.add(socket));
    call.on('error', reject);
  });

/** The version of reviews on a page that has all five services; throws what is missing from it. */
export const readPage = ({ status, body }: Answer): string => {
  if (status !== 200) throw new Error(`${status} ${body.slice(0, 200)}`);
  const problem = /Not available now: [^<]*/.exec(body)?.[0];
  if (problem) throw new Error(problem);
  const version = /from reviews (v\d+)/.exec(body)?.[1];
  if (!version) throw new Error('the page does not say which reviews answered');
  if (!body.includes('Table loom')) throw new Error('nothing from catalogue');
  if (!/<td>1001<\/td>.*?<td>paid<\/td>/s.test(body)) throw new Error('nothing from orders and payments');
  return version;
};

/** One page: the version of reviews that answered. */
export const fetchPage = async (url: string): Promise<string> => {
  const response = await fetch(url);
  return readPage({ status: response.status, body: await response.text() });
};

/** `restMs`: between an answer and the next request of the same worker. */
export const startLoad = (url: string, { atOnce = 2, restMs = 0 } = {}): Load => {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const sockets = new Set<Socket>();
  const failures: string[] = [];
  const versions: Record<string, number> = {};
  let requests = 0;
  let isStopping = false;
  const worker = async () => {
    while (!isStopping) {
      try {
        const version = readPage(await ask(url, agent, sockets));
        versions[version] = (versions[version] ?? 0) + 1;
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
      }
      requests += 1;
      if (restMs > 0) await pause(restMs);
    }
  };
  const workers = Array.from({ length: atOnce }, worker);
  return {
    count: () => requests,
    stop: async () => {
      isStopping = true;
      await Promise.all(workers);
      agent.destroy();
      return { requests, failures, versions, connections: sockets.size };
    },
  };
};
