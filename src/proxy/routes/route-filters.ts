// The filters of a route, or of one of its targets, made ready at config time in the order of the registry. Used by router.ts.
import {
  type FilterServices,
  isFilter,
  type MakeTap,
  type OpenFilter,
  type PreparedFilter,
} from '../../filters/filter.ts';
import { filterOrder } from '../../filters/registry.ts';
import type { Head, RequestHead } from '../../model/http.ts';
import type { Route, RouteFilter } from '../../model/route.ts';

/** What is undefined has nothing to do, and is not called. See filters/filter.ts for what each of them is. */
export interface RouteFilters {
  readonly open: readonly OpenFilter[] | undefined;
  readonly editRequest: ((request: RequestHead) => void) | undefined;
  readonly taps: readonly MakeTap[] | undefined;
  readonly editResponse: ((answer: Head) => void) | undefined;
}

const present = <T>(list: readonly (T | undefined)[]): T[] | undefined => {
  const found = list.filter((one) => one !== undefined);
  return found.length > 0 ? found : undefined;
};

const steps = filterOrder.filter(isFilter);

/** One function that calls each. */
const inTurn = <T>(edits: readonly ((head: T) => void)[] | undefined): ((head: T) => void) | undefined => {
  if (!edits || edits.length === 1) return edits?.[0];
  return (head) => {
    for (const edit of edits) edit(head);
  };
};

export const prepareFilters = (
  filters: readonly RouteFilter[],
  route: Route,
  services: FilterServices,
): RouteFilters => {
  const prepared: PreparedFilter[] = [];
  for (const { types, own } of steps) {
    const mine = filters.filter(({ type }) => types.includes(type));
    if (mine.length > 0) prepared.push(own.prepare(mine, { ...services, route }));
  }
  return {
    open: present(prepared.map(({ open }) => open)),
    editRequest: inTurn(present(prepared.map(({ editRequest }) => editRequest))),
    taps: present(prepared.flatMap(({ taps = [] }) => taps)),
    editResponse: inTurn(present(prepared.map(({ editResponse }) => editResponse).reverse())),
  };
};
