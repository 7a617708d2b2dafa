// The host names of a listener and the routes of each: of thousands, only those that a change touches are made anew. Used by gateways.ts.

import { differenceOf, mapAgain, placeIn, updateSorted } from '../lib/lists.ts';
import type { GatewayListener } from '../model/mesh.ts';
import type { Route } from '../model/route.ts';
import type { BackendPolicies, RouteParts } from './backend-policies.ts';
import { type AttachedNames, bySpecificity, coversHostname } from './hostnames.ts';
import { byAge } from './input.ts';
import { sameItems } from './keep.ts';
import { joinRoutes, sortRoutes } from './route-order.ts';
import type { CompiledRoute } from './routes.ts';

export interface Attachment extends AttachedNames {
  readonly route: CompiledRoute;
}

/** An attachment, with the policies for its backends. */
interface Entry {
  readonly attachment: Attachment;
  readonly parts: RouteParts;
}

/** What is attached to a listener, in order of age, and what it was made by. */
export interface Governed {
  readonly attached: readonly Attachment[];
  readonly entries: readonly Entry[];
  readonly apply: BackendPolicies['apply'];
  /** With clusters of the Gateway's own. */
  readonly isOwn: boolean;
}

/** `before`: the listener as it was. */
export const govern = (
  attached: readonly Attachment[],
  listener: GatewayListener | undefined,
  source: Pick<Governed, 'apply' | 'isOwn'>,
  partsAt: (attachment: Attachment) => RouteParts,
): Governed => {
  const before = listener && hostMemos.get(listener.hosts);
  const entryOf = (attachment: Attachment): Entry => ({ attachment, parts: partsAt(attachment) });
  if (before?.apply === source.apply && before.isOwn === source.isOwn) {
    return { attached, entries: mapAgain(before.attached, before.entries, attached, entryOf), ...source };
  }
  const entries = attached.map((attachment, i) => {
    const [entry, last] = [entryOf(attachment), before?.entries[i]];
    return last?.attachment === attachment && last.parts === entry.parts ? last : entry;
  });
  return { attached, entries, ...source };
};

/** What is attached to each name, in order of age. */
type ByName = Map<string, readonly Entry[]>;

const byNames = (entries: readonly Entry[]): ByName => {
  const found = new Map<string, Entry[]>();
  for (const entry of entries) {
    for (const hostname of entry.attachment.hostnames) {
      const list = found.get(hostname);
      if (list) list.push(entry);
      else found.set(hostname, [entry]);
    }
  }
  return found;
};

/** By the names that the routes at `hostname` themselves have for it: the most specific first, then the oldest. */
const inOrder = (hostname: string, entries: readonly Entry[]): RouteParts[][] => {
  const own = new Map<string, RouteParts[]>();
  for (const { attachment, parts } of entries) {
    const wanted = attachment.wanted[attachment.hostnames.indexOf(hostname)]!;
    const list = own.get(wanted);
    if (list) list.push(parts);
    else own.set(wanted, [parts]);
  }
  return [...own].sort(([a], [b]) => bySpecificity(a, b)).map(([, parts]) => parts);
};

/** Of routes that want the same connections the first has them. */
export const streamsOf = ({ entries }: Governed): GatewayListener['streams'] => {
  const byHost = byNames(entries);
  return [...byHost.keys()].sort(bySpecificity).map((hostname) => ({
    hostname,
    targets: inOrder(hostname, byHost.get(hostname)!)[0]?.[0]?.targets ?? [],
  }));
};

/** What hosts were made of. */
interface HostMemo extends Governed {
  /** Goes on with the hosts that are made of it next. */
  readonly byHost: ByName;
  /** Names that may cover others. */
  readonly wide: readonly string[];
}

const hostMemos = new WeakMap<GatewayListener['hosts'], HostMemo>();

/** The routes of each host name; behind those of its own, in their order, come those of wider names that cover it. */
export const hostsOf = (governed: Governed, before: GatewayListener['hosts'] = []): GatewayListener['hosts'] => {
  const memo = hostMemos.get(before);
  if (memo && sameItems(memo.entries, governed.entries)) {
    hostMemos.set(before, { ...memo, ...governed });
    return before;
  }
  const change = memo && changeOf(memo.entries, governed.entries);
  // What is changed in place must not be taken for what it was, should this run fail.
  hostMemos.delete(before);
  const byHost = change ? changeNames(memo.byHost, change) : byNames(governed.entries);
  const wide = change ? memo.wide : [...byHost.keys()].filter(isWide).sort(bySpecificity);
  const made = change
    ? updateHosts(byHost, wide, before, change.names)
    : makeHosts([...byHost.keys()].sort(bySpecificity), wide, byHost, before);
  const hosts = sameItems(before, made) ? before : made;
  hostMemos.set(hosts, { ...governed, byHost, wide });
  return hosts;
};

const isWide = (hostname: string): boolean => hostname.startsWith('*');

/** So many names are made anew one by one; of more, all. */
const FEW = 64;

interface EntryChange {
  readonly gone: readonly Entry[];
  readonly come: readonly Entry[];
  readonly names: ReadonlySet<string>;
}

/** What came, went or changed; undefined where other names depend on it, or it is much. */
const changeOf = (before: readonly Entry[], after: readonly Entry[]): EntryChange | undefined => {
  const { gone, come } = differenceOf(before, after);
  if (gone.length + come.length > FEW) return undefined;
  const names = new Set([...gone, ...come].flatMap(({ attachment }) => attachment.hostnames));
  return names.size > FEW || [...names].some(isWide) ? undefined : { gone, come, names };
};

const byEntryAge = (a: Entry, b: Entry): number => byAge(a.attachment.route.input, b.attachment.route.input);

const changeNames = (byHost: ByName, { gone, come, names }: EntryChange): ByName => {
  for (const name of names) {
    const at = (entries: readonly Entry[]) => entries.filter(({ attachment }) => attachment.hostnames.includes(name));
    const entries = updateSorted(byHost.get(name) ?? [], at(gone), at(come), byEntryAge);
    if (entries.length > 0) byHost.set(name, entries);
    else byHost.delete(name);
  }
  return byHost;
};

const byHostname = (a: { readonly hostname: string }, b: { readonly hostname: string }): number =>
  bySpecificity(a.hostname, b.hostname);

const updateHosts = (
  byHost: ByName,
  wide: readonly string[],
  before: GatewayListener['hosts'],
  touched: ReadonlySet<string>,
): GatewayListener['hosts'] => {
  const gone = [...touched].flatMap((hostname) => {
    const host = before[placeIn<{ readonly hostname: string }>(before, { hostname }, byHostname)];
    return host?.hostname === hostname ? [host] : [];
  });
  const names = [...touched].filter((hostname) => byHost.has(hostname));
  const made = makeHosts(names, wide, byHost, gone);
  const kept = new Set(made);
  const left = new Set(gone);
  return updateSorted(
    before,
    gone.filter((host) => !kept.has(host)),
    made.filter((host) => !left.has(host)),
    byHostname,
  );
};

/** Of `names`; `wide`: those of all names that may cover them. */
const makeHosts = (
  names: readonly string[],
  wide: readonly string[],
  byHost: ByName,
  before: GatewayListener['hosts'],
): GatewayListener['hosts'] => {
  const known = new Map<string, readonly Route[]>();
  const routesOf = (name: string): readonly Route[] => {
    const found = known.get(name);
    if (found) return found;
    // By the names that routes have for it, one after the other.
    const lists = inOrder(name, byHost.get(name) ?? []);
    const routes = joinRoutes(lists.map((parts) => sortRoutes(parts.map((one) => one.routes))));
    known.set(name, routes);
    return routes;
  };
  const last = new Map(before.map((host) => [host.hostname, host]));
  return names.map((hostname) => {
    const wider = wide.filter((other) => other !== hostname && coversHostname(other, hostname));
    const routes = joinRoutes([hostname, ...wider].map(routesOf));
    const host = last.get(hostname);
    return host?.routes === routes ? host : { hostname, routes };
  });
};
