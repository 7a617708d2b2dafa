// Puts a snapshot together from the resources of the own form; parts that did not change keep their identity. Used by
// the client.

import { messageOf } from '../lib/errors.ts';
import type { NameRecord } from '../model/name-record.ts';
import type {
  Cluster,
  EndpointSet,
  Listener,
  RouteTable,
  Snapshot,
  SnapshotSecret,
  VirtualHost,
} from '../model/snapshot.ts';
import { decodeOwn, OWN_TYPES, SNAPSHOT_NAME, tableOfHost } from './own-form.ts';
import { OWN } from './type-urls.ts';
import type { DeltaResponse } from './wire.ts';

interface Part {
  readonly version: string;
  readonly value: object;
}

export class SnapshotAssembly {
  readonly #parts = new Map<string, Map<string, Part>>(OWN_TYPES.map((typeUrl) => [typeUrl, new Map()]));
  readonly #changed = new Set<string>();
  /** The virtual hosts of each table, by the name of their resource. */
  readonly #hosts = new Map<string, Map<string, VirtualHost>>();
  readonly #changedTables = new Set<string>();
  #last: Snapshot | undefined;

  /** Name → version of what is held; sent on a new stream so that it does not come again. The closing type is never held. */
  versions(typeUrl: string): Map<string, string> {
    const versions = new Map<string, string>();
    if (typeUrl === OWN.snapshot) return versions;
    for (const [name, part] of this.#parts.get(typeUrl) ?? []) versions.set(name, part.version);
    return versions;
  }

  /** Takes in one message. What can't be read is left as it was, and its problem returned. */
  take({ typeUrl, resources, removed }: DeltaResponse): string[] {
    const parts = this.#parts.get(typeUrl);
    if (!parts) return [`${typeUrl} is not a known type`];
    const problems: string[] = [];
    for (const { name, version, value } of resources) {
      try {
        const decoded = decodeOwn(typeUrl, name, value);
        parts.set(name, { version, value: decoded });
        this.#note(typeUrl, name, decoded);
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    for (const name of removed) if (parts.delete(name)) this.#note(typeUrl, name);
    return problems;
  }

  #note(typeUrl: string, name: string, value?: object): void {
    this.#changed.add(typeUrl);
    if (typeUrl === OWN.routes) this.#changedTables.add(name);
    if (typeUrl !== OWN.virtualHost) return;
    const table = tableOfHost(name);
    const hosts = this.#hosts.get(table) ?? new Map<string, VirtualHost>();
    if (value) this.#hosts.set(table, hosts.set(name, value as VirtualHost));
    else if (hosts.delete(name) && hosts.size === 0) this.#hosts.delete(table);
    this.#changedTables.add(table);
  }

  /** Tables with their virtual hosts; those of which nothing came are the same objects. */
  #tables(before: ReadonlyMap<string, RouteTable> | undefined): ReadonlyMap<string, RouteTable> {
    if (before && this.#changedTables.size === 0) return before;
    const tables = new Map<string, RouteTable>();
    for (const [name, { value }] of this.#parts.get(OWN.routes)!) {
      const last = this.#changedTables.has(name) ? undefined : before?.get(name);
      const virtualHosts = [...(this.#hosts.get(name)?.values() ?? [])];
      tables.set(name, last ?? { ...(value as RouteTable), virtualHosts });
    }
    this.#changedTables.clear();
    return tables;
  }

  /** The snapshot that is whole now; undefined when it has nothing new. */
  complete(): Snapshot | undefined {
    const last = this.#last;
    this.#changed.delete(OWN.snapshot);
    if (last && this.#changed.size === 0) return;
    const closing = this.#parts.get(OWN.snapshot)!.get(SNAPSHOT_NAME)?.value as { revision?: unknown } | undefined;
    const part = <T extends object>(
      typeUrl: string,
      before: ReadonlyMap<string, T> | undefined,
    ): ReadonlyMap<string, T> => {
      if (before && !this.#changed.has(typeUrl)) return before;
      const values = new Map<string, T>();
      for (const [name, { value }] of this.#parts.get(typeUrl)!) values.set(name, value as T);
      return values;
    };
    this.#last = {
      revision: typeof closing?.revision === 'number' ? closing.revision : 0,
      listeners: part<Listener>(OWN.listener, last?.listeners),
      routes: this.#tables(last?.routes),
      clusters: part<Cluster>(OWN.cluster, last?.clusters),
      endpoints: part<EndpointSet>(OWN.endpoints, last?.endpoints),
      secrets: part<SnapshotSecret>(OWN.secret, last?.secrets),
      names: part<NameRecord>(OWN.names, last?.names),
    };
    this.#changed.clear();
    return this.#last;
  }
}
