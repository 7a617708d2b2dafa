// One client's discovery stream: subscriptions, pushes in stages, acknowledgements. Knows nothing of gRPC; server.ts
// feeds it requests and takes its messages. At most one unacknowledged message per type: a slow client gets the newest
// state later, never a queue.
import { WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Form, ResourceSet } from './form.ts';
import type { DiscoveryRequest, Protocol } from './protocol.ts';
import { type Difference, MAX_NAMES, Subscription } from './subscription.ts';

export interface StreamOptions {
  readonly protocol: Protocol;
  readonly form: Form;
  /** False where nothing was proven: private keys are never sent. */
  readonly secrets: boolean;
  /** The newest snapshot for the client. */
  current(): Snapshot;
  write(message: Buffer): void;
  now(): number;
  readonly log: Log;
}

export interface TypeStatus {
  readonly typeUrl: string;
  readonly resources: number;
  readonly sentVersion: string;
  readonly ackedVersion: string;
  readonly refusal?: { readonly version: string; readonly message: string; readonly at: number };
}

const EMPTY: ResourceSet = new Map();

export class DiscoveryStream {
  readonly #options: StreamOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  #target: Snapshot | undefined;
  #stage = 0;
  #nonce = 0;
  #advancing = false;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  status(): TypeStatus[] {
    return [...this.#subscriptions.values()].map((subscription) => ({
      typeUrl: subscription.typeUrl,
      resources: subscription.size,
      sentVersion: subscription.sentVersion,
      ackedVersion: subscription.ackedVersion,
      ...(subscription.refusal && { refusal: subscription.refusal }),
    }));
  }

  /** A subscription, a change of one, or an answer to a message. Types that the form lacks are not answered. */
  receive(request: DiscoveryRequest): void {
    const { form, protocol, now } = this.#options;
    const { typeUrl, responseNonce, error } = request;
    if (!form.types.has(typeUrl)) return;
    const first = !this.#subscriptions.has(typeUrl);
    const subscription = this.#subscriptionOf(typeUrl);
    const byName = form.namedTypes.has(typeUrl);
    const before = subscription.refusal?.message;
    const answer = first || responseNonce === '' ? 'none' : subscription.acknowledge(responseNonce, error, now());
    // The same refusal comes again with each further try.
    if (answer === 'answered' && error !== before) this.#logRefusal(subscription);
    if (protocol.name === 'delta') {
      if (first) subscription.resume(request.initialVersions);
      subscription.change(request.subscribe, request.unsubscribe, first, byName);
    } else if (answer !== 'stale') {
      // A stale list of names is followed by one that answers the newest message.
      subscription.setNames(request.names, byName);
    }
    if (subscription.names.size > MAX_NAMES) {
      throw new WeftError('XDS_TOO_MANY_NAMES', `more than ${MAX_NAMES} names of ${typeUrl} are subscribed to`);
    }
    if (subscription.owed) this.#stage = 0;
    this.advance();
  }

  /** What the client could not use, in its words, and still lacks. */
  refusals(): string[] {
    return [...this.#subscriptions.values()].flatMap(({ refusals }) => refusals);
  }

  /** Sends again what was refused: the reason, such as a port that another program had, may be gone. */
  repeatRefused(): void {
    for (const subscription of this.#subscriptions.values()) if (subscription.refusal) subscription.repeatAll();
    this.#stage = 0;
    this.advance();
  }

  /** Sends whatever can be sent now. Called after each request and each publication. */
  advance(): void {
    if (this.#advancing || this.#subscriptions.size === 0) return;
    this.#advancing = true;
    try {
      this.#target ??= this.#options.current();
      while (this.#step(this.#target)) {
        // One step at a time, until the client has to answer or nothing is left.
      }
    } finally {
      this.#advancing = false;
    }
  }

  #step(target: Snapshot): boolean {
    for (const typeUrl of this.#options.form.types) {
      const subscription = this.#subscriptions.get(typeUrl);
      if (subscription?.owed && subscription.outstanding === undefined) this.#answer(subscription, target);
    }
    for (const subscription of this.#subscriptions.values()) if (subscription.outstanding !== undefined) return false;
    const stage = this.#options.form.stages[this.#stage];
    if (stage) {
      this.#stage++;
      for (const typeUrl of stage.types) {
        const subscription = this.#subscriptions.get(typeUrl);
        if (subscription) this.#push(subscription, target, stage.removals === 'hold');
      }
      return true;
    }
    const next = this.#options.current();
    if (next === target) return false;
    this.#target = next;
    this.#stage = 0;
    return true;
  }

  #subscriptionOf(typeUrl: string): Subscription {
    let subscription = this.#subscriptions.get(typeUrl);
    if (!subscription) {
      subscription = new Subscription(typeUrl);
      this.#subscriptions.set(typeUrl, subscription);
    }
    return subscription;
  }

  #resources(target: Snapshot, typeUrl: string): ResourceSet {
    const { form, secrets } = this.#options;
    return typeUrl === form.secretType && !secrets ? EMPTY : form.resources(target, typeUrl);
  }

  /** What a new or changed subscription asks for; the first answer comes even when it is empty: Envoy waits for it. */
  #answer(subscription: Subscription, target: Snapshot): void {
    const set = this.#resources(target, subscription.typeUrl);
    const { upserts, removals } = subscription.difference(set);
    const told = this.#options.form.isWhole ? removals : removals.filter((name) => !subscription.has(name));
    this.#send(subscription, target, set, { upserts, removals: told }, true);
  }

  #push(subscription: Subscription, target: Snapshot, hold: boolean): void {
    const set = this.#resources(target, subscription.typeUrl);
    const { upserts, removals } = subscription.difference(set);
    const { form, protocol } = this.#options;
    const unspeakable = protocol.name === 'state' && !form.fullStateTypes.has(subscription.typeUrl);
    if (!hold && unspeakable) subscription.forget(removals);
    const removed = hold || unspeakable ? [] : removals;
    if (upserts.length > 0 || removed.length > 0) {
      this.#send(subscription, target, set, { upserts, removals: removed }, hold);
    }
  }

  #send(subscription: Subscription, target: Snapshot, set: ResourceSet, difference: Difference, hold: boolean): void {
    const { form, protocol, write } = this.#options;
    const { typeUrl } = subscription;
    this.#repeatCompanions(subscription, difference);
    const nonce = String(++this.#nonce);
    const full = protocol.name === 'state' && form.fullStateTypes.has(typeUrl);
    const resources = full ? subscription.fullState(set, hold) : difference.upserts;
    const version = String(target.revision);
    subscription.sent(difference, version, nonce);
    write(protocol.encode({ version, typeUrl, nonce, resources, removed: difference.removals }));
  }

  #repeatCompanions(subscription: Subscription, difference: Difference): void {
    const companionType = this.#options.form.companions.get(subscription.typeUrl);
    const companion = companionType && this.#subscriptions.get(companionType);
    if (!companion) return;
    for (const { name } of difference.upserts) if (subscription.has(name)) companion.repeat(name);
  }

  #logRefusal(subscription: Subscription): void {
    const { typeUrl: type, sentVersion: version, refusal } = subscription;
    const { log } = this.#options;
    if (!refusal) log.info('a client takes its whole configuration again', { type, version });
    else {
      const detail = refusal.message;
      log.warn('a client refused a part of its configuration and keeps the last good one', { type, version, detail });
    }
  }
}
