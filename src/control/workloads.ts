// Keeps a WorkloadEntry for every connected proxy: put when it connects, removed when it goes. Opened by control.ts; app hands its sessions to xds.
import { isDeepStrictEqual } from 'node:util';
import { type WorkloadEntrySpec, workloadEntry } from '../kinds/workload-entry/schema.ts';
import { type Clock, pause } from '../lib/clock.ts';
import { isWeftError, messageOf, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { ProxyNode } from '../model/node.ts';
import type { Resource } from '../model/resource.ts';
import { type Store, type StoreEntry, storeKey } from '../store/store.ts';
import { entryFor, inboundOf, isRegistered, type ReportedHealth, STARTING } from './workload-entry.ts';

export interface WorkloadSession {
  /** What the proxy found by asking the program. */
  setHealth(healthy: boolean, message?: string): void;
  /** What the proxy could not use of its configuration, in its words. */
  setRefusals(messages: readonly string[]): void;
  /** The proxy's connection ended: its workload is gone. */
  close(): void;
}

export interface Workloads {
  /** Registers the workload of a node. Throws WORKLOAD_NAME_TAKEN when it is another's: a user's, or another account's. */
  connect(node: ProxyNode): WorkloadSession;
  /** Called first when the control plane ends: entries stay for the proxies to come back to. */
  detach(): void;
}

export interface WorkloadsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** The newest resource of a key that the control loop has seen. */
  readonly seen: (key: string) => Resource | undefined;
  /** The registered entries that the control loop has seen. */
  readonly registered: () => readonly string[];
  readonly onGateways: () => void;
}

/** How long proxies have to come back after a start of the control plane. */
export const GRACE_MS = 10_000;
const RETRY_MS = 1000;
const LONGEST_MESSAGE = 1024;
const MAX_REFUSALS = 100;

/** A gateway process, and what it could not use of its configuration: one line each. */
export interface ConnectedGateway {
  readonly node: ProxyNode;
  refusals: readonly string[];
}

interface Session {
  readonly node: ProxyNode;
  health: ReportedHealth | undefined;
  everHealthy: boolean;
}

export class WorkloadRegistry implements Workloads {
  readonly #options: WorkloadsOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #gateways = new Set<ConnectedGateway>();
  /** Keys that are being written; true: once more when that is done. */
  readonly #busy = new Map<string, boolean>();
  readonly #grace;
  #settled = false;
  #detached = false;

  constructor(options: WorkloadsOptions) {
    this.#options = options;
    this.#grace = options.clock.after(GRACE_MS, () => this.#endGrace());
  }

  /** The connected gateways. */
  get gateways(): readonly ConnectedGateway[] {
    return [...this.#gateways];
  }

  /** False while proxies may still come back after a start. */
  get settled(): boolean {
    return this.#settled;
  }

  connect(node: ProxyNode): WorkloadSession {
    return node.role === 'gateway' ? this.#connectGateway(node) : this.#connectWorkload(node);
  }

  detach(): void {
    this.#detached = true;
    this.#grace.cancel();
  }

  /** Waits for writes that are under way. */
  async close(): Promise<void> {
    this.detach();
    while (this.#busy.size > 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #connectGateway(node: ProxyNode): WorkloadSession {
    const own: ConnectedGateway = { node, refusals: [] };
    this.#gateways.add(own);
    this.#options.onGateways();
    return {
      setHealth: () => {},
      setRefusals: (messages) => {
        const lines = messages.flatMap((message) => message.split('\n')).filter((line) => line.trim() !== '');
        own.refusals = lines.slice(0, MAX_REFUSALS).map((line) => line.slice(0, LONGEST_MESSAGE));
        if (!this.#detached) this.#options.onGateways();
      },
      close: () => {
        if (this.#gateways.delete(own) && !this.#detached) this.#options.onGateways();
      },
    };
  }

  #connectWorkload(node: ProxyNode): WorkloadSession {
    const { group, plural } = workloadEntry;
    const key = storeKey(group, plural, node.namespace, node.name);
    const present = this.#options.seen(key);
    if (present && !isRegistered(present)) {
      throw new WeftError('WORKLOAD_NAME_TAKEN', `WorkloadEntry ${node.namespace}/${node.name} was written by hand`, {
        hint: 'give the workload another name, or delete the entry',
      });
    }
    const account = this.#sessions.get(key)?.node.serviceAccount ?? accountOf(present);
    if (account !== undefined && account !== node.serviceAccount) {
      throw new WeftError(
        'WORKLOAD_NAME_TAKEN',
        `${node.namespace}/${node.name} is a workload of service account ${account}`,
        { hint: 'give the workload another name' },
      );
    }
    // The same place as before: the proxy came back, and what was known of its health holds until it speaks.
    const cameBack = present?.metadata.annotations?.['weft.dev/inbound'] === inboundOf(node);
    const session: Session = {
      node,
      health: cameBack ? undefined : STARTING,
      everHealthy: cameBack && isHealthy(present),
    };
    this.#sessions.set(key, session);
    this.#touch(key);
    return {
      setHealth: (healthy, message = '') => {
        session.everHealthy ||= healthy;
        session.health = reported(healthy, session.everHealthy, message.slice(0, LONGEST_MESSAGE));
        if (this.#sessions.get(key) === session) this.#touch(key);
      },
      setRefusals: () => {},
      close: () => {
        // A newer session of the same name has taken over: its entry stays.
        if (this.#sessions.get(key) !== session) return;
        this.#sessions.delete(key);
        this.#touch(key);
      },
    };
  }

  #endGrace(): void {
    this.#settled = true;
    for (const key of this.#options.registered()) if (!this.#sessions.has(key)) this.#touch(key);
    this.#options.onGateways();
  }

  /** Makes the store say what the sessions say; at most one write at a time for each key, and none is lost. */
  #touch(key: string): void {
    if (this.#detached) return;
    if (this.#busy.has(key)) {
      this.#busy.set(key, true);
      return;
    }
    this.#busy.set(key, false);
    void this.#write(key);
  }

  async #write(key: string): Promise<void> {
    const { clock, log } = this.#options;
    for (;;) {
      this.#busy.set(key, false);
      try {
        await this.#sync(key);
        if (!this.#busy.get(key)) break;
      } catch (error) {
        if (this.#detached) break;
        // A conflict means that someone else wrote: look again at once.
        if (isWeftError(error, 'STORE_CONFLICT')) continue;
        log.warn('a workload could not be written, trying again', { key, error: messageOf(error) });
        await pause(clock, RETRY_MS);
      }
    }
    this.#busy.delete(key);
  }

  async #sync(key: string): Promise<void> {
    const { store, clock } = this.#options;
    const present = await store.get(key);
    const session = this.#sessions.get(key);
    if (!session) return this.#remove(key, present);
    if (present && !isRegistered(present.value)) return;
    const wanted = entryFor(session.node, session.health, present?.value as Parameters<typeof entryFor>[2], clock);
    if (present && isDeepStrictEqual(plain(present.value), plain(wanted))) return;
    await store.put(key, wanted, { expected: present?.revision ?? 0 });
  }

  async #remove(key: string, present: StoreEntry | undefined): Promise<void> {
    if (!present || !isRegistered(present.value) || this.#detached) return;
    await this.#options.store.delete(key, { expected: present.revision });
  }
}

const plain = (value: Resource): unknown => JSON.parse(JSON.stringify(value));

const accountOf = (entry: Resource | undefined): string | undefined =>
  (entry?.spec as WorkloadEntrySpec | undefined)?.serviceAccount;

const isHealthy = (resource: Resource): boolean => {
  const { conditions } = (resource.status ?? {}) as { conditions?: readonly { type: string; status: string }[] };
  return conditions?.some(({ type, status }) => type === 'Healthy' && status !== 'Unknown') ?? false;
};

/** Until a program has answered once it is starting, which is not the same as ill. */
const reported = (healthy: boolean, everHealthy: boolean, message: string): ReportedHealth => {
  if (healthy) return { status: 'True', reason: 'Healthy', message };
  if (!everHealthy) return { ...STARTING, message: message || STARTING.message };
  return { status: 'False', reason: 'Unhealthy', message };
};
