// `weft flows`: requests as the proxies saw them, the last few and then live. Denied ones say which policy denied them.
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import { type Clock, pause, systemClock } from '../lib/clock.ts';
import { isWeftError, messageOf, WeftError } from '../lib/errors.ts';
import type { TrafficEvent } from '../model/event.ts';
import { newCommand } from './command.ts';
import { addConnectionOptions, type ConnectionOptions, withClient } from './connect.ts';
import { flowCells, flowColumns, paintVerdict } from './flow-line.ts';
import { requireFormat } from './output-format.ts';
import { paintWith } from './state-colour.ts';
import type { Terminal } from './terminal.ts';
import { TextTable } from './text-table.ts';

interface Options extends ConnectionOptions {
  readonly follow: boolean;
  readonly limit: string;
  readonly verdict?: string;
  readonly from?: string;
  readonly to?: string;
  readonly status?: string;
  readonly all?: boolean;
  readonly output?: string;
}

const VERDICTS: Readonly<Record<string, string>> = { denied: 'deny', deny: 'deny', allowed: 'allow', allow: 'allow' };

const queryOf = (options: Options) => {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 0 || limit > 10_000) {
    throw new WeftError('USAGE', `--limit "${options.limit}" is not a number from 0 to 10000`, { hint: '--limit 100' });
  }
  const verdict = options.verdict === undefined ? undefined : VERDICTS[options.verdict];
  if (options.verdict !== undefined && verdict === undefined) {
    throw new WeftError('USAGE', `--verdict "${options.verdict}" is neither allowed nor denied`, {
      hint: '--verdict denied',
    });
  }
  const { from, to, status, all, follow } = options;
  return { follow, limit: String(limit), verdict, from, to, status, all };
};

const isEvent = (value: unknown): value is TrafficEvent => {
  if (typeof value !== 'object' || value === null) return false;
  const { startMs, durationMs, source, destination, flags } = value as Partial<TrafficEvent>;
  const hasPeers = typeof source === 'object' && typeof destination === 'object';
  return typeof startMs === 'number' && typeof durationMs === 'number' && hasPeers && Array.isArray(flags);
};

const keyOf = (event: TrafficEvent): string =>
  `${event.proxy} ${event.startMs} ${event.durationMs} ${event.http?.requestId ?? event.source.address ?? ''}`;

/** Knows the newest events, so that history after a break does not show them again. */
class Seen {
  readonly #keys = new Set<string>();

  isNew(event: TrafficEvent): boolean {
    const key = keyOf(event);
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    if (this.#keys.size > 10_000) for (const oldest of this.#keys) return this.#keys.delete(oldest);
    return true;
  }
}

const RETRY_MS = 500;

/** Events until the network ends them; when following, through restarts of the control plane too. */
async function* readFlows(
  client: Client,
  query: ReturnType<typeof queryOf>,
  terminal: Terminal,
  clock: Clock,
): AsyncGenerator<TrafficEvent> {
  const signal = terminal.onInterrupt();
  const seen = new Seen();
  let wasOpen = false;
  let isBroken = false;
  while (!signal.aborted) {
    try {
      for await (const value of client.getLines('/weft/v1/flows', query, signal)) {
        if (isBroken) terminal.note('connected again');
        [wasOpen, isBroken] = [true, false];
        if (isEvent(value) && (!query.follow || seen.isNew(value))) yield value;
      }
      if (!query.follow) return;
      throw new WeftError('CLIENT_CONNECTION_LOST', 'the control plane ended the stream');
    } catch (error) {
      if (signal.aborted) return;
      const canReturn = isWeftError(error, 'CLIENT_CONNECTION_LOST') || isWeftError(error, 'CLIENT_UNREACHABLE');
      if (!query.follow || !canReturn || (!wasOpen && !isBroken && isWeftError(error, 'CLIENT_UNREACHABLE')))
        throw error;
      if (!isBroken) terminal.note(`${messageOf(error)}; trying again`);
      isBroken = true;
      await pause(clock, RETRY_MS);
    }
  }
}

const GATHER_MS = 50;

/** Prints events as table lines. The first ones come in a burst and are gathered, so that the columns fit them all. */
class FlowTable {
  readonly #terminal: Terminal;
  readonly #wide: boolean;
  readonly #table: TextTable;
  #gathered: TrafficEvent[] | undefined;
  #isOpen = false;
  #hasHead = false;

  constructor(terminal: Terminal, wide: boolean) {
    this.#terminal = terminal;
    this.#wide = wide;
    this.#table = new TextTable(flowColumns(wide), paintWith(terminal.hasColour));
  }

  add(event: TrafficEvent): void {
    if (this.#isOpen) {
      this.#print([event]);
      return;
    }
    if (!this.#gathered) {
      this.#gathered = [];
      systemClock.after(GATHER_MS, () => this.flush());
    }
    this.#gathered.push(event);
  }

  /** Prints what is gathered; from then on events are printed as they come. */
  flush(): void {
    const events = this.#gathered ?? [];
    this.#gathered = undefined;
    if (this.#isOpen || events.length === 0) return;
    this.#isOpen = true;
    this.#print(events);
  }

  #print(events: readonly TrafficEvent[]): void {
    const lines = this.#table.rows(events.map((event) => flowCells(event, this.#wide)));
    if (!this.#hasHead) this.#terminal.print(this.#table.head());
    this.#hasHead = true;
    const paint = paintWith(this.#terminal.hasColour);
    for (const [i, line] of lines.entries()) this.#terminal.print(paintVerdict(line, events[i]!, paint));
  }
}

const run = async (options: Options, terminal: Terminal): Promise<void> => {
  const format = options.output === undefined ? 'table' : requireFormat(options.output, ['json', 'wide']);
  const query = queryOf(options);
  await withClient(options, terminal, async ({ client }) => {
    const table = new FlowTable(terminal, format === 'wide');
    let count = 0;
    // An empty screen would leave open whether anything works.
    const silence = systemClock.after(1000, () => {
      if (count === 0 && query.follow && terminal.isErrorScreen) terminal.note('No requests yet; Ctrl-C ends.');
    });
    try {
      for await (const event of readFlows(client, query, terminal, systemClock)) {
        count++;
        if (format === 'json') terminal.print(JSON.stringify(event));
        else table.add(event);
      }
    } finally {
      silence.cancel();
      table.flush();
    }
    if (count === 0 && !query.follow) terminal.note('No flows found.');
  });
};

export const command = (terminal: Terminal): Command =>
  addConnectionOptions(
    newCommand('flows', 'Shows requests as they happen: who called whom, and which policy denied what.', [
      'weft flows',
      'weft flows --verdict denied --to reviews',
      'weft flows --no-follow --limit 200 -o json',
    ]),
  )
    .option('-f, --follow', 'Go on and show each request as it ends (this is the default).', true)
    .option('--no-follow', 'Show the last ones and end.')
    .option('--limit N', 'How many past requests to begin with.', '20')
    .option('--verdict VERDICT', 'Only those that were denied, or allowed.')
    .option('--from NAME', 'Only calls by this workload, service or service account.')
    .option('--to NAME', 'Only calls to this workload or service.')
    .option('--status CODES', 'Only answers with this status, e.g. 503 or 5xx.')
    .option('--all', 'Also what the caller saw of requests that the callee reported.')
    .option('-o, --output FORMAT', 'json (a line per request) or wide.')
    .action((options: Options) => run(options, terminal));
