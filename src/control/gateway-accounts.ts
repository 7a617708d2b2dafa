// A service account for each Gateway, with what its spec.infrastructure asks for (GEP-1762): as it, a gateway process may
// serve that Gateway and no other. It goes with the Gateway, which owns it. Used by control.ts.
import { createHash } from 'node:crypto';
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import { GATEWAY_NAME_LABEL } from '../kinds/service-account/schema.ts';
import type { Clock } from '../lib/clock.ts';
import { isWeftError, messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { ObjectMeta, Resource } from '../model/resource.ts';
import type { Store } from '../store/store.ts';
import { keyOf, newMetadata } from './bootstrap.ts';

/** Names of the labels and annotations that came from the Gateway, so that those go that it no longer has. */
const PROPAGATED_ANNOTATION = 'weft.dev/propagated';

const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;

export interface GatewayAccountsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** What the control plane knows under a key of the store. */
  readonly seen: (key: string) => Resource | undefined;
}

export class GatewayAccounts {
  readonly #options: GatewayAccountsOptions;
  #running: Promise<void> | undefined;
  #next: readonly Resource[] | undefined;
  #complained = '';

  constructor(options: GatewayAccountsOptions) {
    this.#options = options;
  }

  /** Brings the accounts of these Gateways up to date. What fails is tried again at the next call. */
  update(gateways: readonly Resource[]): void {
    this.#next = gateways.filter((gateway) => this.#change(gateway) !== undefined);
    if (this.#next.length > 0) this.#running ??= this.#run();
  }

  /** Resolves when what is to be written is written. */
  async close(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#next?.length) {
      const [gateway, ...rest] = this.#next;
      this.#next = rest;
      try {
        await this.#put(gateway!);
      } catch (error) {
        if (isWeftError(error, 'STORE_CONFLICT')) continue;
        const message = messageOf(error);
        if (message !== this.#complained)
          this.#options.log.warn('an account of a Gateway could not be written', { error: message });
        this.#complained = message;
      }
    }
    this.#running = undefined;
  }

  async #put(gateway: Resource): Promise<void> {
    const { store } = this.#options;
    const key = keyOf(accountOf(gateway))!;
    const present = await store.get(key);
    const changed = this.#change(gateway, present?.value);
    if (changed) await store.put(key, changed, { expected: present?.revision ?? 0 });
  }

  /** The account as it is to be; undefined where it is so already, or is somebody else's. */
  #change(gateway: Resource, present = this.#options.seen(keyOf(accountOf(gateway))!)): Resource | undefined {
    if (gateway.metadata.deletionTimestamp || present?.metadata.deletionTimestamp) return undefined;
    const wanted = accountOf(gateway);
    if (!present) return { ...wanted, metadata: { ...wanted.metadata, ...newMetadata(this.#options.clock) } };
    const isOwn = present.metadata.ownerReferences?.some(({ uid }) => uid === gateway.metadata.uid);
    if (!isOwn) return undefined;
    const metadata = merged(present.metadata, wanted.metadata);
    return isSame(metadata, present.metadata) ? undefined : { ...present, metadata };
  }
}

const shortened = (name: string, longest: number): string => {
  if (name.length <= longest) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 10);
  return `${name.slice(0, longest - hash.length - 1).replace(/[^a-z0-9]+$/, '')}-${hash}`;
};

/** What Weft itself goes by can't be given away by who writes a Gateway. */
const unprivileged = (values: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(values).filter(([name]) => !name.startsWith('weft.dev/')));

const accountOf = ({ apiVersion, kind, metadata, spec }: Resource): Resource => {
  const { gatewayClassName, infrastructure = {} } = spec as GatewaySpec;
  const { name, namespace = 'default', uid = '' } = metadata;
  const labels = { ...unprivileged(infrastructure.labels), [GATEWAY_NAME_LABEL]: shortened(name, LONGEST_LABEL) };
  const annotations = unprivileged(infrastructure.annotations);
  const propagated = JSON.stringify([Object.keys(labels).sort(), Object.keys(annotations).sort()]);
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: {
      name: shortened(`${name}-${gatewayClassName}`, LONGEST_NAME),
      namespace,
      labels,
      annotations: { ...annotations, [PROPAGATED_ANNOTATION]: propagated },
      ownerReferences: [{ apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: false }],
    },
  };
};

const merged = (present: ObjectMeta, wanted: ObjectMeta): ObjectMeta => {
  const [labels = [], annotations = []] = propagatedBefore(present);
  const kept = (values: Readonly<Record<string, string>> = {}, names: readonly string[]) =>
    Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)));
  return {
    ...present,
    labels: { ...kept(present.labels, labels), ...wanted.labels },
    annotations: { ...kept(present.annotations, annotations), ...wanted.annotations },
  };
};

const propagatedBefore = ({ annotations }: ObjectMeta): string[][] => {
  try {
    const parsed: unknown = JSON.parse(annotations?.[PROPAGATED_ANNOTATION] ?? '[]');
    return Array.isArray(parsed) && parsed.every(Array.isArray) ? parsed : [];
  } catch {
    return [];
  }
};

const isSame = (a: ObjectMeta, b: ObjectMeta): boolean =>
  isSameRecord(a.labels, b.labels) && isSameRecord(a.annotations, b.annotations);

const isSameRecord = (a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([name, value]) => b[name] === value);
