// Where all traffic events meet in the control plane: the newest ones, live subscribers, counts. Fed by ingest, read by flows.
import type { Clock } from '../lib/clock.ts';
import type { EventPeer, TrafficEvent } from '../model/event.ts';
import { Counts, type KeyCounts, type Sample, WINDOW_SECONDS } from './counts.ts';
import { Ring } from './ring.ts';
import { type FlowFilter, isAtCallee, isDenied, isFailed, matchesFilter, serviceOf, workloadOf } from './view.ts';

/** What the control plane knows of a workload that an event names only by its address or its name. */
export interface KnownWorkload {
  /** `namespace/name`. */
  readonly workload: string;
  /** Set where the peer was known by its proxy, which proves it to each caller. */
  readonly identity?: string | undefined;
  readonly version?: string | undefined;
}

export interface HubOptions {
  readonly clock: Clock;
  /** Events kept. */
  readonly capacity?: number;
  /** `namespace/name` of the ALLOW policies in force where a denied event happened, for engines that can't tell. */
  readonly denialPolicies?: (event: TrafficEvent) => readonly string[];
  /** The workload behind a peer, by its name or by the address (`host:port`) of its proxy. */
  readonly workloadOf?: (peer: TrafficEvent['destination']) => KnownWorkload | undefined;
}

/** A name in its namespace; the namespace is empty for what has none, e.g. a host outside the mesh. */
export interface StatsName {
  readonly namespace: string;
  readonly name: string;
}

export interface VersionStats extends KeyCounts {
  /** Empty where the version is not known. */
  readonly version: string;
}

export interface ServiceStats extends StatsName, KeyCounts {
  readonly versions: readonly VersionStats[];
}

export interface EdgeStats extends KeyCounts {
  /** The workload, else the service account, else `outside`. */
  readonly source: StatsName;
  /** The service, else the workload, else `unknown`. */
  readonly destination: StatsName;
}

export interface Stats {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly windowSeconds: number;
  /** Taken since the start. */
  readonly events: number;
  readonly services: readonly ServiceStats[];
  readonly edges: readonly EdgeStats[];
}

export interface Subscription {
  close(): void;
}

export interface Hub {
  add(event: TrafficEvent): void;
  /** The newest `limit` that match, oldest first. */
  recent(limit: number, filter?: FlowFilter): TrafficEvent[];
  /** Every event that matches, from now on; `onEnd` when the hub closes. */
  subscribe(filter: FlowFilter, onEvent: (event: TrafficEvent) => void, onEnd: () => void): Subscription;
  stats(): Stats;
  /** Ends all subscriptions. */
  close(): void;
}

const CAPACITY = 10_000;
const MAX_KEYS = 4_000;
const SEPARATOR = '\n';

interface Subscriber {
  readonly filter: FlowFilter;
  readonly onEvent: (event: TrafficEvent) => void;
  readonly onEnd: () => void;
}

const statusOf = ({ http, protocol }: TrafficEvent): string => {
  if (!http) return protocol;
  const hundreds = Math.floor(http.status / 100);
  // What a sender makes up must not become ever new keys.
  return hundreds >= 1 && hundreds <= 9 ? `${hundreds}xx` : 'none';
};

const sourceName = (event: TrafficEvent): string => {
  const { source } = event;
  const account = /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(source.identity ?? '');
  return workloadOf(source) ?? (account ? `${account[1]}/${account[2]}` : 'outside');
};

const statsName = (text: string): StatsName => {
  const slash = text.indexOf('/');
  return slash < 0 ? { namespace: '', name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
};

/** Keys are two names, divided by the separator. */
const pairsOf = (counts: Counts, now: number): { first: string; second: string; counts: KeyCounts }[] =>
  [...counts.read(now)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => {
      const [first = '', second = ''] = key.split(SEPARATOR);
      return { first, second, counts: value };
    });

const withWorkload = (peer: EventPeer, workload: string): EventPeer => {
  const slash = workload.indexOf('/');
  const [namespace, name] = [workload.slice(0, Math.max(slash, 0)), workload.slice(slash + 1)];
  if (slash < 0 || (peer.namespace !== undefined && peer.namespace !== namespace)) return { ...peer, workload };
  return { ...peer, namespace, workload: name };
};

class EventHub implements Hub {
  readonly #options: HubOptions;
  readonly #events: Ring<TrafficEvent>;
  readonly #subscribers = new Set<Subscriber>();
  readonly #services = new Counts(MAX_KEYS);
  /** By service and version. */
  readonly #versions = new Counts(MAX_KEYS);
  /** By source and service. */
  readonly #edges = new Counts(MAX_KEYS);
  #count = 0;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#events = new Ring(options.capacity ?? CAPACITY);
  }

  add(received: TrafficEvent): void {
    const destination = this.#options.workloadOf?.(received.destination);
    const event = this.#completed(received, destination);
    this.#count++;
    this.#events.push(event);
    this.#tally(event, destination?.version);
    for (const subscriber of this.#subscribers) {
      if (matchesFilter(event, subscriber.filter)) subscriber.onEvent(event);
    }
  }

  /** With what the proxy could not know. */
  #completed(event: TrafficEvent, known: KnownWorkload | undefined): TrafficEvent {
    const { denialPolicies, workloadOf: find } = this.#options;
    let { source, destination, policy } = event;
    if (known && destination.workload === undefined) destination = withWorkload(destination, known.workload);
    if (known?.identity !== undefined && destination.identity === undefined) {
      destination = { ...destination, identity: known.identity };
    }
    if (source.workload === undefined) {
      const caller = find?.(source);
      if (caller) source = withWorkload(source, caller.workload);
    }
    if (policy?.verdict === 'deny' && policy.names.length === 0 && denialPolicies) {
      policy = { ...policy, names: denialPolicies(event) };
    }
    const same = source === event.source && destination === event.destination && policy === event.policy;
    return same ? event : { ...event, source, destination, ...(policy && { policy }) };
  }

  #tally(event: TrafficEvent, version: string | undefined): void {
    if (!isAtCallee(event)) return;
    const { destination } = event;
    const now = this.#options.clock.now();
    const service = serviceOf(destination) ?? workloadOf(destination) ?? 'unknown';
    const sample: Sample = {
      status: statusOf(event),
      durationMs: event.durationMs,
      failed: isFailed(event) && !isDenied(event),
      denied: isDenied(event),
    };
    this.#services.add(service, now, sample);
    this.#versions.add(`${service}${SEPARATOR}${version ?? ''}`, now, sample);
    this.#edges.add(`${sourceName(event)}${SEPARATOR}${service}`, now, sample);
  }

  recent(limit: number, filter: FlowFilter = {}): TrafficEvent[] {
    const found: TrafficEvent[] = [];
    if (limit <= 0) return found;
    for (const event of this.#events.newestFirst()) {
      if (!matchesFilter(event, filter)) continue;
      if (found.push(event) >= limit) break;
    }
    return found.reverse();
  }

  subscribe(filter: FlowFilter, onEvent: (event: TrafficEvent) => void, onEnd: () => void): Subscription {
    const subscriber = { filter, onEvent, onEnd };
    this.#subscribers.add(subscriber);
    return { close: () => this.#subscribers.delete(subscriber) };
  }

  stats(): Stats {
    const now = this.#options.clock.now();
    const versions = Map.groupBy(pairsOf(this.#versions, now), (pair) => pair.first);
    return {
      now,
      windowSeconds: WINDOW_SECONDS,
      events: this.#count,
      services: pairsOf(this.#services, now).map(({ first, counts }) => ({
        ...statsName(first),
        ...counts,
        versions: (versions.get(first) ?? []).map((pair) => ({ version: pair.second, ...pair.counts })),
      })),
      edges: pairsOf(this.#edges, now).map(({ first, second, counts }) => ({
        source: statsName(first),
        destination: statsName(second),
        ...counts,
      })),
    };
  }

  close(): void {
    for (const subscriber of [...this.#subscribers]) subscriber.onEnd();
    this.#subscribers.clear();
  }
}

export const openHub = (options: HubOptions): Hub => new EventHub(options);
