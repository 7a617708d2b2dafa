// What listeners do to every request before routes are looked for. Used by listeners.ts.
import type { ListenerSpec } from '../kinds/gateway/types.ts';
import type { RouteFilter } from '../model/route.ts';
import type { Backends } from './backends.ts';
import { no, type Verdict } from './conditions.ts';
import { compileExternalAuth, unsupportedAuth } from './external-auth.ts';

/** Why a listener is not served: a filter must not be left out, as it may be what keeps people out. */
export const refusedFilters = ({ filters }: ListenerSpec): Verdict | undefined => {
  for (const [i, { type, externalAuth }] of (filters?.requests ?? []).entries()) {
    const where = `filters.requests[${i}]`;
    if (!externalAuth) return no('Accepted', 'UnsupportedValue', `${where}: the filter ${type} is not supported`);
    const bad = unsupportedAuth(externalAuth);
    if (bad) return no('Accepted', 'UnsupportedValue', `${where}.${bad.path}: ${bad.what} is not supported`);
  }
  return undefined;
};

/** `problem`: a server can't be used, and no request may pass. */
export const listenerFilters = (
  { filters }: ListenerSpec,
  from: { readonly kind: string; readonly namespace: string },
  resolve: Backends['resolve'],
): { readonly filters?: readonly RouteFilter[]; readonly problem?: Verdict } => {
  if (!filters?.requests?.length) return {};
  let problem: Verdict | undefined;
  const compiled = filters.requests.flatMap(({ externalAuth }) =>
    externalAuth
      ? compileExternalAuth(externalAuth, (ref, backends) => {
          const found = resolve(ref, { kind: from.kind, backends }, from.namespace);
          if (found.problem) problem ??= no('ResolvedRefs', found.problem.reason, found.problem.message);
          return found.cluster;
        })
      : [],
  );
  return { filters: compiled, ...(problem && { problem }) };
};
