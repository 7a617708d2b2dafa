// Requests for the shop's page, each with its fate: which of them were under way at a moment, and which failed. Used by the
// tests of crashes, where only what a killed process was handling itself may fail.
import { Agent, get } from 'node:http';

export interface Fates {
  readonly requests: number;
  /** What was wrong with each page that had to be whole. */
  readonly failures: readonly string[];
  /** As `failures`, of pages that were under way when `mark` was called, for the reason that it excused. */
  readonly excused: readonly string[];
}

export interface WatchedLoad {
  /** Pages that have come so far, and what was wrong with some. */
  readonly fates: Fates;
  /** Something has happened. Pages that are under way now may fail for this reason; those that begin later may not. */
  mark(what: string, excuse?: RegExp): void;
  /** Waits until this many further pages have begun and ended. */
  pages(more: number): Promise<void>;
  /** Lets the running requests end. */
  stop(): Promise<Fates>;
}

/** What is wrong with a page, if anything is: it has to come, with the answers of all five services. */
const faultOf = (url: string, agent: Agent): Promise<string | undefined> =>
  new Promise((resolve) => {
    const call = get(url, { agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('error', (error) => resolve(`the answer broke off: ${error.message}`));
      response.on('end', () => {
        const { statusCode, headers } = response;
        if (statusCode !== 200) resolve(`${statusCode} ${body.slice(0, 200)}`);
        else if (headers['x-shop'] === 'whole') resolve(undefined);
        else resolve(/Not available now: [^<]*/.exec(body)?.[0] ?? 'the page is not whole');
      });
    });
    call.on('error', (error) => resolve(`no answer: ${error.message}`));
  });

export const startWatchedLoad = (url: string, atOnce = 2): WatchedLoad => {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  /** By the number of the page. */
  const underWay = new Map<number, RegExp | undefined>();
  const failures: string[] = [];
  const excused: string[] = [];
  let begun = 0;
  let ended = 0;
  let isStopping = false;
  let lastMark = { what: 'the start', at: performance.now() };
  let onPage: (() => void) | undefined;
  const worker = async () => {
    while (!isStopping) {
      const page = begun++;
      underWay.set(page, undefined);
      const { what, at } = lastMark;
      const sinceMs = Math.round(performance.now() - at);
      const fault = await faultOf(url, agent);
      if (fault !== undefined) {
        const list = underWay.get(page)?.test(fault) ? excused : failures;
        list.push(`page ${page}, begun ${sinceMs} ms after ${what}: ${fault}`);
      }
      underWay.delete(page);
      ended++;
      onPage?.();
    }
  };
  const workers = Array.from({ length: atOnce }, worker);
  const fates = () => ({ requests: ended, failures: [...failures], excused: [...excused] });
  return {
    get fates() {
      return fates();
    },
    mark(what, excuse) {
      lastMark = { what, at: performance.now() };
      if (excuse) for (const page of underWay.keys()) underWay.set(page, excuse);
    },
    pages: (more) => {
      // Those under way now may have passed already what is waited for.
      const target = ended + more + atOnce;
      return new Promise((resolve) => {
        onPage = () => {
          if (ended >= target) resolve();
        };
      });
    },
    async stop() {
      isStopping = true;
      await Promise.all(workers);
      agent.destroy();
      return fates();
    },
  };
};
