// Host names of listeners and routes: exact, `*.suffix`, or any. Used where routes meet listeners, and for snapshots of gateways.

/** True when every name that `inner` stands for is one of `outer`'s. */
export const coversHostname = (outer: string | undefined, inner: string): boolean => {
  if (outer === undefined || outer === '*') return true;
  if (outer === inner) return true;
  // "*.a.b" covers "x.a.b" and "*.x.a.b", not "a.b".
  return outer.startsWith('*.') && inner.replace(/^\*\./, '').endsWith(outer.slice(1));
};

/** The names that both stand for; undefined when there are none. */
const intersectHostnames = (a: string, b: string): string | undefined => {
  if (coversHostname(a, b)) return b;
  return coversHostname(b, a) ? a : undefined;
};

/** Under which names a route is reached at a listener, and which name of its own each comes from. */
export interface AttachedNames {
  /** None: it can't attach. */
  readonly hostnames: readonly string[];
  /** In the same order; of several that come to the same, the most specific. */
  readonly wanted: readonly string[];
}

export const attachedHostnames = (
  listener: string | undefined,
  route: readonly string[] | undefined,
): AttachedNames => {
  const own = listener?.toLowerCase() ?? '*';
  const found = new Map<string, string>();
  const names = route?.length ? route.map((hostname) => hostname.toLowerCase()) : ['*'];
  for (const name of names) {
    const hostname = intersectHostnames(own, name);
    const before = hostname === undefined ? undefined : found.get(hostname);
    if (hostname !== undefined && (before === undefined || bySpecificity(name, before) < 0)) found.set(hostname, name);
  }
  return { hostnames: [...found.keys()], wanted: [...found.values()] };
};

/** Exact names before wildcards, longer before shorter, any last. */
export const bySpecificity = (a: string, b: string): number => {
  const rank = (hostname: string) => (hostname === '*' ? 2 : hostname.startsWith('*') ? 1 : 0);
  return rank(a) - rank(b) || b.length - a.length || (a < b ? -1 : a > b ? 1 : 0);
};

/** Every wildcard that covers a name, itself left out: `*.a.b` has `*.b` and `*`. */
export const widerNames = (hostname: string): string[] => {
  if (hostname === '*') return [];
  const labels = hostname.replace(/^\*\./, '').split('.');
  return [...labels.slice(1).map((_, i) => `*.${labels.slice(1 + i).join('.')}`), '*'];
};

/** The most specific of `names` that covers a name; undefined when none does. */
export const mostSpecificOf = (names: ReadonlySet<string>, hostname: string): string | undefined =>
  names.has(hostname) ? hostname : widerNames(hostname).find((wider) => names.has(wider));
