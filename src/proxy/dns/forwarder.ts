// Asks other servers for names that are not of the mesh: one question at a time for all who ask it, with bounds, and
// answers kept while they may be. Used by resolver.ts.
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { type Answer, AnswerCache } from './cache.ts';
import type { DnsCounts } from './counts.ts';
import { type Asked, ask, type DnsServerAddress } from './exchange.ts';
import { type Message, RCODE } from './message.ts';
import { foldCase } from './name.ts';
import { Upstreams } from './upstreams.ts';

export interface ForwarderOptions {
  readonly servers?: readonly DnsServerAddress[] | undefined;
  readonly resolvConf: string;
  readonly isSelf: (server: DnsServerAddress) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counts: DnsCounts;
}

/** Questions that wait for other servers: of all clients and of one. */
const MAX_WAITING = 2048;
const MAX_WAITING_PER_CLIENT = 512;
/** Sockets to other servers. */
const MAX_ASKED = 512;
/** Before clients give up, which is after 5 s as a rule. */
const TOTAL_MS = 4500;

export class Forwarder {
  readonly upstreams: Upstreams;
  readonly #options: ForwarderOptions;
  readonly #cache: AnswerCache;
  /** A question that comes back because servers ask each other in a circle finds itself here, and goes no further. */
  readonly #asking = new Map<string, Promise<Answer | undefined>>();
  readonly #running = new Set<() => void>();
  #isClosed = false;
  readonly #waiting = new Map<string, number>();
  #totalWaiting = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#cache = new AnswerCache(options.clock);
    this.upstreams = new Upstreams({ ...options, onChange: () => this.#cache.clear() });
  }

  /** Undefined where no server answered, or too much is being asked already. */
  async resolve(asked: Asked, client: string): Promise<Answer | undefined> {
    const { counts } = this.#options;
    const key = `${asked.type} ${asked.dnssecOk} ${asked.checkingDisabled} ${foldCase(asked.name)}`;
    const kept = this.#cache.get(key);
    if (kept) {
      counts.fromCache++;
      return kept;
    }
    const waiting = this.#waiting.get(client) ?? 0;
    const running = this.#asking.get(key);
    const isFull = this.#totalWaiting >= MAX_WAITING || waiting >= MAX_WAITING_PER_CLIENT;
    if (isFull || (!running && this.#asking.size >= MAX_ASKED)) {
      counts.overflows++;
      return;
    }
    this.#waiting.set(client, waiting + 1);
    this.#totalWaiting++;
    try {
      return await (running ?? this.#begin(key, asked));
    } finally {
      this.#totalWaiting--;
      const left = this.#waiting.get(client)! - 1;
      if (left > 0) this.#waiting.set(client, left);
      else this.#waiting.delete(client);
    }
  }

  /** Whoever waits is told of a failure. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#running) end();
  }

  #begin(key: string, asked: Asked): Promise<Answer | undefined> {
    const { counts } = this.#options;
    const answer = this.#askServers(asked)
      .then((message) => {
        if (message) this.#cache.set(key, message);
        else counts.upstreamFailures++;
        return message;
      })
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, answer);
    return answer;
  }

  async #askServers(asked: Asked): Promise<Message | undefined> {
    const { clock, random, counts } = this.#options;
    const end = clock.monotonic() + TOTAL_MS;
    const context = { clock, random, onStray: () => counts.strays++, running: this.#running };
    let last: Message | undefined;
    await this.upstreams.look();
    for (let attempt = 0; attempt < this.upstreams.attempts; attempt++) {
      for (const server of await this.upstreams.current()) {
        const left = end - clock.monotonic();
        if (left <= 0 || this.#isClosed) return last;
        counts.upstreamRequests++;
        const answer = await ask(server, asked, Math.min(left, this.upstreams.timeoutMs), context);
        const isUseful = answer?.rcode === RCODE.OK || answer?.rcode === RCODE.NXDOMAIN;
        this.upstreams.note(server, isUseful);
        if (isUseful) return answer;
        last = answer ?? last;
      }
      // All have said why not: they would say it again.
      if (last) return last;
    }
    return last;
  }
}
