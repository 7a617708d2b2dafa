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

/** Makes one list of several; the same one for the same lists, so that a host whose routes did not change keeps its own. */
const openJoin = <T extends object>(join: (lists: readonly (readonly T[])[]) => readonly Route[]) => {
  type Lists = readonly (readonly T[])[];
  const byFirst = new WeakMap<readonly T[], { readonly lists: Lists; readonly joined: readonly Route[] }>();
  return (lists: Lists): readonly Route[] => {
    const [first] = lists;
    if (!first) return [];
    let memo = byFirst.get(first);
    if (!memo || !sameItems(memo.lists, lists)) {
      memo = { lists, joined: join(lists) };
      byFirst.set(first, memo);
    }
    return memo.joined;
  };
};

/** Sorts the matches of several routes; `lists` are in order of age and name, which decides among equals. */
export const sortRoutes = openJoin<OrderedRoute>((lists) =>
  lists
    .flat()
    .sort(compare)
    .map(({ route }) => route),
);

/** One list after the other, each route once. */
export const joinRoutes = openJoin<Route>((lists) => (lists.length === 1 ? lists[0]! : [...new Set(lists.flat())]));
