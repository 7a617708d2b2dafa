// The Gateway API's order of precedence among the matches of all routes of a host. Used by listeners and services.
import type { HttpRouteMatch } from '../kinds/http-route/types.ts';
import type { Route } from '../model/route.ts';
import { sameItems } from './keep.ts';

/** One match of one rule, with what decides its place. */
export interface OrderedRoute {
  readonly route: Route;
  /** Compared one after the other; the smaller goes first. */
  readonly rank: readonly number[];
}

// The API leaves the place of expressions open: they go before prefixes, because they are written for special cases.
const PATH_RANK = { Exact: 0, RegularExpression: 1, PathPrefix: 2 } as const;

export const rankOf = ({ path, method, headers = [], queryParams = [] }: HttpRouteMatch): readonly number[] => [
  PATH_RANK[path.type],
  path.type === 'Exact' ? 0 : -path.value.length,
  method ? 0 : 1,
  -headers.length,
  -queryParams.length,
];

const compare = (a: OrderedRoute, b: OrderedRoute): number => {
  for (let i = 0; i < a.rank.length; i++) {
    const difference = a.rank[i]! - b.rank[i]!;
    if (difference !== 0) return difference;
  }
  return 0;
};

interface Sorted {
  readonly lists: readonly (readonly OrderedRoute[])[];
  readonly routes: readonly Route[];
}

/** By the first list. */
const sorted = new WeakMap<readonly OrderedRoute[], Sorted>();

/**
 * Sorts the matches of several routes; `lists` are in order of age and name, which decides among equals. The same result
 * for the same lists: a host whose routes did not change keeps its list.
 */
export const sortRoutes = (lists: readonly (readonly OrderedRoute[])[]): readonly Route[] => {
  const [first] = lists;
  if (!first) return [];
  let memo = sorted.get(first);
  if (!memo || !sameItems(memo.lists, lists)) {
    const routes = lists.flat().sort(compare);
    memo = { lists, routes: routes.map(({ route }) => route) };
    sorted.set(first, memo);
  }
  return memo.routes;
};
