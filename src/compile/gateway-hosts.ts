// The virtual hosts of a gateway's port: which listener a request belongs to by its host name, and what gets 421. Used by gateway-snapshot.ts.

import { isDeepStrictEqual } from 'node:util';
import { mapAgain, originOf } from '../lib/lists.ts';
import type { GatewayListener, MeshGateway } from '../model/mesh.ts';
import type { AuthorizationPolicy } from '../model/policy.ts';
import type { Route, RouteFilter } from '../model/route.ts';
import type { VirtualHost } from '../model/snapshot.ts';
import { bySpecificity, coversHostname, mostSpecificOf } from './hostnames.ts';
import { sameItems } from './keep.ts';

/** Those that share a port, of one Gateway or of several. */
export type PortListeners = readonly { readonly listener: GatewayListener; readonly gateway: MeshGateway }[];

/** The policies for some of them. */
export type Authorize = (own: PortListeners) => readonly AuthorizationPolicy[];

/** A request belongs to the listener with the most specific host name, even when that one has no route for it. */
export const virtualHostsOf = (listeners: PortListeners, authorize?: Authorize): readonly VirtualHost[] => {
  const hosts = plainHostsOf(listeners, authorize);
  return listeners.some(({ listener }) => listener.filters) ? withFilters(hosts, listeners) : hosts;
};

/** With the filters of the listener that a host belongs to; where Gateways share it, of all of them. */
const withFilters = (hosts: readonly VirtualHost[], listeners: PortListeners): readonly VirtualHost[] => {
  const filters = new Map<string, readonly RouteFilter[]>();
  for (const { listener } of listeners) {
    const name = listener.hostname ?? '*';
    filters.set(name, [...(filters.get(name) ?? []), ...(listener.filters ?? [])]);
  }
  const names = new Set(filters.keys());
  const key = JSON.stringify([...filters]);
  const memo = filteredLists.get(hosts);
  if (memo?.key === key) return memo.hosts;
  const filtered = hosts.map((host) => {
    const own = filters.get(mostSpecificOf(names, host.name) ?? '') ?? [];
    return own.length > 0 ? withOwnFilters(host, own) : host;
  });
  filteredLists.set(hosts, { key, hosts: filtered });
  return filtered;
};

const filteredLists = new WeakMap<
  readonly VirtualHost[],
  { readonly key: string; readonly hosts: readonly VirtualHost[] }
>();

const filteredHosts = new WeakMap<VirtualHost, VirtualHost>();

/** Mostly the same object as before, for the same host. */
const withOwnFilters = (host: VirtualHost, filters: readonly RouteFilter[]): VirtualHost => {
  const known = filteredHosts.get(host);
  if (known && isDeepStrictEqual(known.filters, filters)) return known;
  const made = { ...host, filters };
  filteredHosts.set(host, made);
  return made;
};

const plainHostsOf = (listeners: PortListeners, authorize?: Authorize): readonly VirtualHost[] => {
  if (authorize) return mergeHosts(listeners, authorize);
  const own = listeners.map(({ listener }) => listener);
  const [first] = own;
  if (!first) return [];
  if (own.length === 1) return hostsOfOne(first);
  const memo = hostLists.get(first);
  if (memo && sameItems(memo.listeners, own)) return memo.hosts;
  const hosts = mergeHosts(listeners, undefined);
  hostLists.set(first, { listeners: own, hosts });
  return hosts;
};

/** By the first listener: those of a port, and their hosts. */
const hostLists = new WeakMap<
  GatewayListener,
  { readonly listeners: readonly GatewayListener[]; readonly hosts: readonly VirtualHost[] }
>();

interface OneListener {
  readonly name: string;
  readonly hosts: readonly VirtualHost[];
  /** Its own name, which comes last, has no routes. */
  readonly hasRest: boolean;
}

/** By the hosts of a listener that is alone on its port. */
const ofOne = new WeakMap<GatewayListener['hosts'], OneListener>();

/** Of a listener that is alone: its hosts are in order already, and of many only those that changed are looked at. */
const hostsOfOne = ({ hosts, hostname: name = '*' }: GatewayListener): readonly VirtualHost[] => {
  const known = ofOne.get(hosts);
  if (known?.name === name) return known.hosts;
  const origin = originOf(hosts);
  const before = origin && ofOne.get(origin);
  const hasRest = hosts.at(-1)?.hostname !== name;
  const hostOf = ({ hostname, routes }: GatewayListener['hosts'][number]) => virtualHost(hostname, routes);
  const all =
    origin && before?.name === name && before.hasRest === hasRest
      ? mapAgain(origin, before.hosts, hosts, hostOf)
      : [...hosts.map(hostOf), ...(hasRest ? [virtualHost(name, [])] : [])];
  ofOne.set(hosts, { name, hosts: all, hasRest });
  return all;
};

const mergeHosts = (listeners: PortListeners, authorize: Authorize | undefined): VirtualHost[] => {
  const names = [...new Set(listeners.map(({ listener }) => listener.hostname ?? '*'))].sort(bySpecificity);
  const known = new Set(names);
  const ownerOf = (hostname: string) => mostSpecificOf(known, hostname);
  const hosts = new Map<string, VirtualHost>();
  for (const { listener } of listeners) {
    for (const { hostname, routes } of listener.hosts) {
      if (ownerOf(hostname) !== (listener.hostname ?? '*')) continue;
      const before = hosts.get(hostname);
      // Two Gateways with the same port and host name: the older one's routes are asked first.
      const all = before ? [...new Set([...before.routes, ...routes])] : routes;
      hosts.set(hostname, virtualHost(hostname, all));
    }
  }
  for (const name of names) if (!hosts.has(name)) hosts.set(name, virtualHost(name, []));
  return [...hosts.keys()].sort(bySpecificity).map((hostname) => {
    const host = hosts.get(hostname)!;
    if (!authorize) return host;
    const owners = listeners.filter(({ listener }) => (listener.hostname ?? '*') === ownerOf(hostname));
    return { ...host, authorization: authorize(owners) };
  });
};

// With more, and no listener for every name, 421 is also said where no listener has the name: tables would grow with the
// square of the listeners.
const MAX_TOLD_APART = 64;

/**
 * A client may reuse a connection for another name that the certificate has: what belongs to another listener by its host
 * name gets 421, and comes back by a connection of its own. `hostname` is that of the connection's listener.
 */
export const withMisdirected = (
  hosts: readonly VirtualHost[],
  hostname: string,
  names: ReadonlySet<string>,
): readonly VirtualHost[] => {
  if (names.size < 2) return hosts;
  const own = hosts.filter(({ name }) => mostSpecificOf(names, name) === hostname);
  const isOther = (name: string) => name !== hostname;
  const isWide = hostname.startsWith('*');
  const within = isWide ? [...names].filter((name) => isOther(name) && coversHostname(hostname, name)) : [];
  const together = names.has('*') || names.size > MAX_TOLD_APART;
  const around = together ? ['*'] : [...names].filter((name) => !coversHostname(hostname, name));
  const others = [...within, ...around].filter(isOther);
  const misdirected = others.map((name) => ({ name, domains: [name], routes: MISDIRECTED }));
  return [...own, ...misdirected].sort((a, b) => bySpecificity(a.name, b.name));
};

const MISDIRECTED: readonly Route[] = [
  {
    name: 'misdirected',
    match: { path: { type: 'prefix', value: '/' }, headers: [], queryParams: [] },
    filters: [],
    action: { type: 'direct', status: 421, body: '' },
  },
];

const virtualHosts = new WeakMap<readonly Route[], VirtualHost>();

/** Mostly the same object as before, for the same list of routes. */
const virtualHost = (hostname: string, routes: readonly Route[]): VirtualHost => {
  const known = virtualHosts.get(routes);
  if (known?.name === hostname) return known;
  const host = { name: hostname, domains: [hostname], routes };
  virtualHosts.set(routes, host);
  return host;
};
