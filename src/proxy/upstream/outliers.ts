// Leaves endpoints out for a while whose answers are bad, as Envoy's outlier detection does. Owned by clusters.ts, told of
// every attempt's end.
import type { Timer } from '../../lib/clock.ts';
import { formatHostPort } from '../../lib/host-port.ts';
import type { OutlierDetection } from '../../model/balancing.ts';
import type { ProxyContext } from '../context.ts';
import type { Balancer } from './balancer.ts';
import type { EndpointState } from './endpoint-state.ts';

/** In place of a status: no answer came. */
export const NO_ANSWER = 0;

const MAX_EJECTION_MS = 300_000;
/** What Envoy wants before it compares percentages. */
const LEAST_REQUESTS = 50;
const LEAST_ENDPOINTS = 5;

type OutlierContext = Pick<ProxyContext, 'clock' | 'deadlines' | 'log'>;

class Record {
  errors = 0;
  gatewayErrors = 0;
  localErrors = 0;
  /** Of the present interval. */
  good = 0;
  bad = 0;
  /** How often it was left out; falls again with each interval in which it was not. */
  ejections = 0;
  returnedAt = 0;
  timer: Timer | undefined;
}

export class Outliers<Pool = unknown> {
  readonly #context: OutlierContext;
  readonly #cluster: string;
  readonly #balancer: Balancer<Pool>;
  readonly #onEjected: (state: EndpointState<Pool>) => void;
  #settings: OutlierDetection;
  readonly #records = new Map<EndpointState<Pool>, Record>();
  #interval: Timer | undefined;
  /** Of all times. */
  ejections = 0;

  constructor(
    context: OutlierContext,
    cluster: string,
    balancer: Balancer<Pool>,
    settings: OutlierDetection,
    onEjected: (state: EndpointState<Pool>) => void,
  ) {
    this.#context = context;
    this.#cluster = cluster;
    this.#balancer = balancer;
    this.#settings = settings;
    this.#onEjected = onEjected;
  }

  configure(settings: OutlierDetection): void {
    this.#settings = settings;
  }

  /** An attempt was answered with this status, or with none. */
  report(state: EndpointState<Pool>, status: number): void {
    if (state.gone) return;
    let record = this.#records.get(state);
    if (status >= 100 && status < 500) {
      if (record) this.#passed(record);
      else if (this.#settings.failurePercent !== undefined) record = this.#recordOf(state);
      if (record) this.#count(record, true);
      return;
    }
    record ??= this.#recordOf(state);
    this.#count(record, false);
    const why = this.#failed(record, status);
    if (why !== undefined) this.#eject(state, record, why);
  }

  #recordOf(state: EndpointState<Pool>): Record {
    const record = new Record();
    this.#records.set(state, record);
    return record;
  }

  #passed(record: Record): void {
    record.errors = record.gatewayErrors = record.localErrors = 0;
  }

  /** Why that is one too many; undefined where it is not. */
  #failed(record: Record, status: number): string | undefined {
    const { splitsLocal, consecutive5xx, consecutiveGateway, consecutiveLocal } = this.#settings;
    if (status === NO_ANSWER && splitsLocal) {
      record.localErrors++;
      return consecutiveLocal > 0 && record.localErrors >= consecutiveLocal ? 'no answers' : undefined;
    }
    record.localErrors = 0;
    record.errors++;
    if (status === NO_ANSWER || (status >= 502 && status <= 504)) record.gatewayErrors++;
    else record.gatewayErrors = 0;
    if (consecutiveGateway > 0 && record.gatewayErrors >= consecutiveGateway) return 'gateway errors';
    return consecutive5xx > 0 && record.errors >= consecutive5xx ? 'server errors' : undefined;
  }

  #count(record: Record, good: boolean): void {
    if (this.#settings.failurePercent === undefined) return;
    if (good) record.good++;
    else record.bad++;
    this.#interval ??= this.#context.clock.after(this.#settings.intervalMs, () => this.#compare());
  }

  #compare(): void {
    this.#interval = undefined;
    const { failurePercent } = this.#settings;
    const busy = [...this.#records].filter(([, { good, bad }]) => good + bad >= LEAST_REQUESTS);
    if (failurePercent !== undefined && busy.length >= LEAST_ENDPOINTS) {
      for (const [state, record] of busy) {
        const { good, bad } = record;
        if ((100 * bad) / (good + bad) >= failurePercent) this.#eject(state, record, 'too many failures');
      }
    }
    for (const record of this.#records.values()) record.good = record.bad = 0;
  }

  #eject(state: EndpointState<Pool>, record: Record, why: string): void {
    this.#passed(record);
    if (state.ejected) return;
    const { endpoints } = this.#balancer;
    const { maxEjectionPercent, baseEjectionMs, intervalMs } = this.#settings;
    const ejected = endpoints.reduce((sum, one) => sum + (one.ejected ? 1 : 0), 0);
    if (100 * (ejected + 1) > maxEjectionPercent * endpoints.length) return;
    const { deadlines, clock, log } = this.#context;
    if (record.ejections > 0) {
      const quiet = Math.floor((deadlines.now() - record.returnedAt) / intervalMs);
      record.ejections = Math.max(0, record.ejections - quiet);
    }
    record.ejections++;
    const ms = Math.min(MAX_EJECTION_MS, baseEjectionMs * record.ejections);
    state.ejected = true;
    this.ejections++;
    this.#balancer.changed();
    log.warn('an endpoint is left out', { ...this.#placeOf(state), why, ms });
    record.timer = clock.after(ms, () => this.uneject(state));
    this.#onEjected(state);
  }

  /** Its time is over, or it answers again. */
  uneject(state: EndpointState<Pool>): void {
    if (!state.ejected) return;
    state.ejected = false;
    const record = this.#records.get(state);
    if (record) {
      record.timer?.cancel();
      record.timer = undefined;
      record.returnedAt = this.#context.deadlines.now();
    }
    this.#balancer.changed();
    this.#context.log.info('an endpoint is back', this.#placeOf(state));
  }

  #placeOf({ endpoint }: EndpointState<Pool>): { cluster: string; endpoint: string } {
    return { cluster: this.#cluster, endpoint: formatHostPort(endpoint.address, endpoint.port) };
  }

  forget(state: EndpointState<Pool>): void {
    this.#records.get(state)?.timer?.cancel();
    this.#records.delete(state);
  }

  close(): void {
    this.#interval?.cancel();
    for (const state of [...this.#records.keys()]) {
      state.ejected = false;
      this.forget(state);
    }
    this.#balancer.changed();
  }
}
