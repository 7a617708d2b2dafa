// Compiles a RouteTable at config time, so that a request only looks up: host → path → conditions → action.
// Called by the proxy's prepare step and for every request.

import type { FilterServices, OpenFilter } from '../../filters/filter.ts';
import { type Location, prepareRedirect } from '../../filters/request-redirect/proxy.ts';
import { trimPrefix } from '../../filters/url-rewrite/path.ts';
import { messageOf } from '../../lib/errors.ts';
import { compilePattern } from '../../lib/pattern.ts';
import type { RequestHead } from '../../model/http.ts';
import type { Problem } from '../../model/problem.ts';
import type { ForwardAction, ForwardTarget, RedirectAction, Route } from '../../model/route.ts';
import { INVALID_CLUSTER, type RouteTable, type VirtualHost } from '../../model/snapshot.ts';
import { prepareAffinity, type TakeAffinity } from '../exchange/affinity.ts';
import { prepareWeightedPick } from '../upstream/weighted-choice.ts';
import { HostTable } from './host-table.ts';
import { prepareFilters, type RouteFilters } from './route-filters.ts';
import { type HeadTest, prepareConditions } from './route-match.ts';

export interface Router {
  readonly table: RouteTable;
  /** What could not be used: patterns that don't compile. */
  readonly problems: readonly Problem[];
  /** Taken over by the next router for what stays the same object. */
  readonly hosts: ReadonlyMap<VirtualHost, HostRoutes>;
  /** What comes before routes for requests to this host; absent where the table has no such filters. */
  readonly before: ((host: string) => readonly OpenFilter[] | undefined) | undefined;
  /** Undefined: no route (404, flag NR). */
  match(head: RequestHead): PreparedRoute | undefined;
  /** The virtual host of an authority, matched or not by a route. */
  virtualHost(host: string): VirtualHost | undefined;
}

export interface PreparedRoute {
  readonly route: Route;
  readonly virtualHost: VirtualHost;
  readonly action: PreparedForward | PreparedRedirect | PreparedDirect;
}

export interface PreparedForward {
  readonly type: 'forward';
  /** Timeouts and retries as configured. */
  readonly config: ForwardAction;
  /** By weight. A target with cluster INVALID_CLUSTER leads nowhere. */
  readonly pick: () => PreparedTarget;
}

/** A target with the filters of its route and its own. */
export interface PreparedTarget extends RouteFilters {
  readonly cluster: string;
  readonly weight: number;
  /** Undefined: no endpoint is better for a request than another. */
  readonly affinity: TakeAffinity | undefined;
  /** In place of asking it. */
  readonly redirect: PreparedRedirect | undefined;
}

export interface PreparedRedirect extends RouteFilters {
  readonly type: 'redirect';
  readonly status: number;
  /** `scheme` and `port`: how the request reached the listener. */
  readonly location: Location;
}

export interface PreparedDirect extends RouteFilters {
  readonly type: 'direct';
  readonly status: number;
  readonly body: string;
}

const prepareForward = (route: Route, action: ForwardAction, services: FilterServices): PreparedForward => {
  const shared = prepareFilters(route.filters, route, services);
  const sharedAffinity = prepareAffinity(action, services.random);
  const targetOf = ({ cluster, weight, filters, redirect, session }: ForwardTarget): PreparedTarget => {
    const own = filters.length > 0 ? prepareFilters([...route.filters, ...filters], route, services) : shared;
    const affinity =
      session && !action.session ? prepareAffinity({ ...action, session }, services.random) : sharedAffinity;
    return { cluster, weight, affinity, redirect: redirect && redirectOf(route, redirect, own), ...own };
  };
  const invalid: PreparedTarget = {
    cluster: INVALID_CLUSTER,
    weight: 0,
    affinity: undefined,
    redirect: undefined,
    ...shared,
  };
  const targets = action.targets.map(targetOf);
  const pickOrNone = prepareWeightedPick(targets, services.random);
  return { type: 'forward', config: action, pick: () => pickOrNone() ?? invalid };
};

const prepareAction = (route: Route, services: FilterServices): PreparedRoute['action'] => {
  const { action } = route;
  if (action.type === 'forward') return prepareForward(route, action, services);
  const filters = prepareFilters(route.filters, route, services);
  if (action.type === 'direct') return { type: 'direct', status: action.status, body: action.body, ...filters };
  return redirectOf(route, action, filters);
};

const redirectOf = (route: Route, action: RedirectAction, filters: RouteFilters): PreparedRedirect => ({
  type: 'redirect',
  status: action.status,
  location: prepareRedirect(action, route.match.path),
  ...filters,
});

/** One route under its place in the list: of all that match, the lowest index wins. */
interface Candidate {
  readonly index: number;
  readonly test: HeadTest | undefined;
  readonly prepared: PreparedRoute;
}

type CandidateMap = Map<string, Candidate[]>;

const addTo = (map: CandidateMap, key: string, candidate: Candidate): void => {
  const list = map.get(key);
  if (list) list.push(candidate);
  else map.set(key, [candidate]);
};

/** The first of `list` that holds and stands before `best`. */
const earlier = (list: readonly Candidate[], best: Candidate | undefined, head: RequestHead): Candidate | undefined => {
  for (const candidate of list) {
    if (best && candidate.index > best.index) return best;
    if (!candidate.test || candidate.test(head)) return candidate;
  }
  return best;
};

/** What filters have that come before any. */
const NO_ROUTE: Route = {
  name: '',
  match: { path: { type: 'prefix', value: '/' }, headers: [], queryParams: [] },
  filters: [],
  action: { type: 'direct', status: 404, body: '' },
};

/** The routes of one virtual host: exact paths and prefixes by map, patterns one after the other. */
class HostRoutes {
  readonly virtualHost: VirtualHost;
  /** Of every request, before it is matched. */
  readonly before: readonly OpenFilter[] | undefined;
  readonly problems: Problem[] = [];
  readonly #exact: CandidateMap = new Map();
  /** Without closing slashes; the empty prefix stands apart. */
  readonly #prefixes: CandidateMap = new Map();
  /** Of the keys of #prefixes, ascending. */
  readonly #lengths: number[];
  readonly #root: Candidate[] = [];
  readonly #patterns: { readonly matches: (path: string) => boolean; readonly candidate: Candidate }[] = [];
  /** The route that takes every path, where it stands first: no lookup at all. */
  readonly #always: PreparedRoute | undefined;

  constructor(virtualHost: VirtualHost, services: FilterServices) {
    this.virtualHost = virtualHost;
    this.before = virtualHost.filters && prepareFilters(virtualHost.filters, NO_ROUTE, services).open;
    virtualHost.routes.forEach((route, index) => {
      this.#add(route, index, services);
    });
    this.#lengths = [...new Set([...this.#prefixes.keys()].map((prefix) => prefix.length))].sort((a, b) => a - b);
    const [first] = this.#root;
    this.#always = first?.index === 0 && !first.test ? first.prepared : undefined;
  }

  #add(route: Route, index: number, services: FilterServices): void {
    const { type, value } = route.match.path;
    const conditions = prepareConditions(route.match);
    for (const problem of conditions.problems)
      this.problems.push({ ...problem, path: `${route.name}: ${problem.path}` });
    const usable: Route = conditions.problems.length
      ? { ...route, action: { type: 'direct', status: 500, body: 'this route has a pattern that can not be used' } }
      : route;
    const prepared = { route, virtualHost: this.virtualHost, action: prepareAction(usable, services) };
    const candidate = { index, test: conditions.test, prepared };
    if (type === 'exact') addTo(this.#exact, value, candidate);
    else if (type === 'regex') this.#addPattern(route, candidate);
    else if (trimPrefix(value) === '') this.#root.push(candidate);
    else addTo(this.#prefixes, trimPrefix(value), candidate);
  }

  #addPattern(route: Route, candidate: Candidate): void {
    try {
      const pattern = compilePattern(route.match.path.value);
      this.#patterns.push({ matches: (path) => pattern.matches(path), candidate });
    } catch (error) {
      // Which paths it was meant for can't be known: it takes none.
      const path = `${route.name}: match.path.value`;
      this.problems.push({ code: 'PATTERN_INVALID', severity: 'error', message: messageOf(error), path });
    }
  }

  match(head: RequestHead): PreparedRoute | undefined {
    if (this.#always && head.path.charCodeAt(0) === 47) return this.#always;
    let best: Candidate | undefined;
    const exact = this.#exact.size > 0 ? this.#exact.get(head.path) : undefined;
    if (exact) best = earlier(exact, best, head);
    best = this.#matchPrefix(head, best);
    for (const { matches, candidate } of this.#patterns) {
      if (best && candidate.index > best.index) break;
      if (matches(head.path) && (!candidate.test || candidate.test(head))) {
        best = candidate;
        break;
      }
    }
    return best?.prepared;
  }

  #matchPrefix(head: RequestHead, before: Candidate | undefined): Candidate | undefined {
    const { path } = head;
    let best = before;
    for (const length of this.#lengths) {
      if (length > path.length) break;
      if (length < path.length && path.charCodeAt(length) !== 47) continue;
      const list = this.#prefixes.get(length === path.length ? path : path.slice(0, length));
      if (list) best = earlier(list, best, head);
    }
    // `*`, the target of OPTIONS, is not under any prefix.
    return path.charCodeAt(0) === 47 ? earlier(this.#root, best, head) : best;
  }
}

const HAS_PORT = /:\d+$/;

/**
 * Never throws: a pattern that can't be used is a problem, and its route takes nothing or answers 500. `before`: the router
 * of the last table, whose virtual hosts are taken over where they are the same objects.
 */
export const prepareRoutes = (table: RouteTable, services: FilterServices, before?: Router): Router => {
  const hosts = new Map<VirtualHost, HostRoutes>();
  const byDomain = new HostTable<HostRoutes>();
  for (const virtualHost of table.virtualHosts) {
    const routes = before?.hosts.get(virtualHost) ?? new HostRoutes(virtualHost, services);
    hosts.set(virtualHost, routes);
    for (const domain of virtualHost.domains) byDomain.add(domain, routes);
  }
  const { defaultPort } = table;
  const find =
    defaultPort === undefined
      ? (host: string) => byDomain.find(host)
      : (host: string) => byDomain.find(HAS_PORT.test(host) ? host : `${host}:${defaultPort}`);
  return {
    table,
    problems: [...hosts.values()].flatMap(({ problems }) => problems),
    hosts,
    before: table.virtualHosts.some(({ filters }) => filters) ? (host) => find(host)?.before : undefined,
    match: (head) => find(head.host)?.match(head),
    virtualHost: (host) => find(host)?.virtualHost,
  };
};
