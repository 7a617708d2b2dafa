// Answers questions about names of the mesh from the newest snapshot. Prepared once per snapshot, asked by resolver.ts.
import { isIPv4 } from 'node:net';
import type { Random } from '../../lib/random.ts';
import { captureAddress, type NameInstance, type NameRecord } from '../../model/name-record.ts';
import { addressData } from './address.ts';
import { CLASS_IN, type Question, RCODE, type ResourceRecord, TYPE } from './message.ts';
import { firstLabel, foldCase, isBelow, parentOf, ROOT, type WireName, wireNameOf } from './name.ts';

export interface LocalAnswer {
  readonly rcode: number;
  readonly answers: readonly ResourceRecord[];
  readonly authority: readonly ResourceRecord[];
  readonly additional: readonly ResourceRecord[];
  /** The answer is an alias: what it leads to has to be asked for. */
  readonly target?: WireName;
}

export interface NameTableOptions {
  readonly namespace: string;
  /** Set where this sidecar listens for services on its own addresses. */
  readonly captureBlock?: number | undefined;
  /** Seconds. */
  readonly ttl: number;
  /** True where the servers that are asked besides know names of the mesh's zone too, as in Kubernetes. */
  readonly zoneIsShared: () => boolean;
  readonly random: Random;
}

interface Entry {
  readonly record: NameRecord;
  /** Its full name; the target of SRV records. */
  readonly host: WireName;
  readonly addresses: readonly string[];
}

const ZONE = wireNameOf('cluster.local')!;

/** Of services' hosts: these lead past the mesh, so only the mesh answers for them. */
const OWN_TYPES: ReadonlySet<number> = new Set([
  TYPE.A,
  TYPE.AAAA,
  TYPE.SRV,
  TYPE.CNAME,
  TYPE.SVCB,
  TYPE.HTTPS,
  TYPE.ANY,
]);

const dashed = (address: string): string => address.replace(/[.:]/g, '-');

const labelOf = ({ hostname, address }: NameInstance): string => hostname ?? dashed(address);

const unique = (items: readonly string[]): string[] => [...new Set(items)];

export class NameTable {
  readonly #options: NameTableOptions;
  readonly #exact = new Map<WireName, Entry>();
  /** By what stands behind the star. */
  readonly #wildcards = new Map<WireName, Entry>();
  /** Names of the zone that have nothing themselves but names below. */
  readonly #between = new Set<WireName>([ZONE]);

  constructor(names: ReadonlyMap<string, NameRecord>, options: NameTableOptions) {
    this.#options = options;
    for (const record of names.values()) this.#add(record);
  }

  get size(): number {
    return this.#exact.size + this.#wildcards.size;
  }

  #add(record: NameRecord): void {
    const { captureBlock, namespace } = this.#options;
    const { name, aliases, near, slot, addresses, ports } = record;
    const host = wireNameOf(name);
    if (!host) return;
    const own = captureBlock !== undefined && slot !== undefined ? [captureAddress(captureBlock, slot)] : addresses;
    const all = own.length > 0 ? own : unique(ports.flatMap(({ instances }) => instances.map((one) => one.address)));
    // What leads nowhere here is for other servers to answer.
    if (all.length === 0 && !record.target && !isBelow(host, ZONE)) return;
    const entry: Entry = { record, host, addresses: all };
    if (name.startsWith('*.')) this.#wildcards.set(parentOf(host), entry);
    else
      for (const one of [name, ...aliases, ...(near?.namespace === namespace ? [near.name] : [])])
        this.#put(one, entry);
  }

  #put(name: string, entry: Entry): void {
    const wire = wireNameOf(name);
    if (!wire) return;
    this.#exact.set(wire, entry);
    if (!isBelow(wire, ZONE)) return;
    for (let rest = parentOf(wire); rest !== ZONE && rest !== ROOT; rest = parentOf(rest)) this.#between.add(rest);
  }

  /** Undefined: not a name of the mesh. */
  look(question: Question): LocalAnswer | undefined {
    const name = foldCase(question.name);
    const entry = this.#exact.get(name);
    if (entry) return this.#answer(question, entry, entry.addresses);
    const parent = name === ROOT ? ROOT : parentOf(name);
    const service = this.#wildcards.has(parent) ? undefined : this.#exact.get(parent);
    if (service) return this.#below(question, service, firstLabel(name));
    const below = firstLabel(name).startsWith('_') ? this.#exact.get(parentOf(parent)) : undefined;
    if (below) return this.#service(question, below, firstLabel(name).slice(1), firstLabel(parent));
    for (let rest = parent; rest !== ROOT; rest = parentOf(rest)) {
      const wildcard = this.#wildcards.get(rest);
      if (wildcard) return this.#answer(question, wildcard, wildcard.addresses);
    }
    if (!isBelow(name, ZONE)) return;
    if (this.#between.has(name)) return this.#nothing(RCODE.OK, ZONE);
    return this.#options.zoneIsShared() ? undefined : this.#nothing(RCODE.NXDOMAIN, ZONE);
  }

  #answer(question: Question, { record, host }: Entry, addresses: readonly string[]): LocalAnswer | undefined {
    const { name, type } = question;
    if (!OWN_TYPES.has(type) && !isBelow(host, ZONE)) return;
    const target = addresses.length === 0 && record.target !== undefined ? wireNameOf(record.target) : undefined;
    if (target) {
      const alias = this.#record(name, TYPE.CNAME, [target]);
      return {
        rcode: RCODE.OK,
        answers: [alias],
        authority: [],
        additional: [],
        ...(type !== TYPE.CNAME && { target }),
      };
    }
    const answers = this.#addresses(name, type, addresses);
    return answers.length > 0
      ? { rcode: RCODE.OK, answers, authority: [], additional: [] }
      : this.#nothing(RCODE.OK, isBelow(foldCase(name), ZONE) ? ZONE : name);
  }

  /** `<instance>.<service>`, and what lies between a service and its `_port._protocol` names. */
  #below(question: Question, entry: Entry, label: string): LocalAnswer | undefined {
    const instances = entry.record.ports.flatMap((port) => port.instances.filter((one) => labelOf(one) === label));
    if (instances.length > 0) {
      return this.#answer(question, entry, unique(instances.map(({ address }) => address)));
    }
    if (label === '_tcp' || label === '_udp') return this.#nothing(RCODE.OK, entry.host);
    return this.#missing(entry);
  }

  #missing({ host }: Entry): LocalAnswer | undefined {
    // Of a host outside of the zone the mesh knows only the host itself.
    return isBelow(host, ZONE) ? this.#nothing(RCODE.NXDOMAIN, ZONE) : undefined;
  }

  #service(question: Question, entry: Entry, portName: string, transport: string): LocalAnswer | undefined {
    const { record, host, addresses } = entry;
    const port = transport === '_tcp' ? record.ports.find(({ name }) => name !== '' && name === portName) : undefined;
    if (!port || record.target !== undefined) return this.#missing(entry);
    if (question.type !== TYPE.SRV && question.type !== TYPE.ANY) return this.#nothing(RCODE.OK, host);
    const srv = (to: number, target: WireName) => {
      const numbers = Buffer.alloc(6);
      numbers.writeUInt16BE(100, 2);
      numbers.writeUInt16BE(to, 4);
      return this.#record(question.name, TYPE.SRV, [numbers, target]);
    };
    const isWhole = record.addresses.length > 0 || this.#captures(record);
    const targets: [number, WireName, readonly string[]][] = isWhole
      ? [[port.port, host, addresses]]
      : port.instances.flatMap((one) => {
          const target = wireNameOf(`${labelOf(one)}.${record.name}`);
          return target ? [[one.port, target, [one.address]]] : [];
        });
    if (targets.length === 0) return this.#nothing(RCODE.OK, host);
    return {
      rcode: RCODE.OK,
      answers: targets.map(([to, target]) => srv(to, target)),
      authority: [],
      additional: targets.flatMap(([, target, at]) => this.#addresses(target, TYPE.ANY, at)),
    };
  }

  #captures({ slot }: NameRecord): boolean {
    return this.#options.captureBlock !== undefined && slot !== undefined;
  }

  #addresses(name: WireName, type: number, addresses: readonly string[]): ResourceRecord[] {
    const wanted = addresses.filter((address) => type === TYPE.ANY || (type === TYPE.A) === isIPv4(address));
    if (type !== TYPE.A && type !== TYPE.AAAA && type !== TYPE.ANY) return [];
    // Callers take the first one: each is the first in turn.
    const from = Math.floor(this.#options.random.next() * wanted.length);
    return [...wanted.slice(from), ...wanted.slice(0, from)].map((address) =>
      this.#record(name, isIPv4(address) ? TYPE.A : TYPE.AAAA, [addressData(address)]),
    );
  }

  #nothing(rcode: number, zone: WireName): LocalAnswer {
    const { ttl } = this.#options;
    const numbers = Buffer.alloc(20);
    // Serial, refresh, retry, expire, and for how long "there is none" may be kept.
    for (const [i, value] of [1, 3600, 600, 86_400, ttl].entries()) numbers.writeUInt32BE(value, 4 * i);
    const soa = this.#record(zone, TYPE.SOA, [`\x02ns${ZONE}`, `\x0ahostmaster${ZONE}`, numbers]);
    return { rcode, answers: [], authority: [soa], additional: [] };
  }

  #record(name: WireName, type: number, data: ResourceRecord['data']): ResourceRecord {
    return { name, type, class: CLASS_IN, ttl: this.#options.ttl, data };
  }
}
