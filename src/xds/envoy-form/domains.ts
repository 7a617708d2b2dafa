// Virtual host domains in Envoy's terms. The model's domains match whatever port the caller names, unless they have one
// themselves; Envoy compares the whole authority.

const portOf = (domain: string): string | undefined => /:(\d+)$/.exec(domain)?.[1];

const isWild = (domain: string): boolean => domain.startsWith('*');

export interface DomainPlan {
  /** True where no domain has a port: Envoy then leaves the port of the authority out. */
  readonly ignorePort: boolean;
  /** What a domain of the model is called in Envoy. */
  expand(domain: string): string[];
}

/** Every domain has a port; the names that go with the default port are taken without one too. */
const planWithDefault = (domains: readonly string[], defaultPort: number): DomainPlan => {
  const taken = new Set(domains);
  const ending = `:${defaultPort}`;
  const bare = (domain: string) => domain.slice(0, -ending.length);
  return {
    ignorePort: false,
    expand: (domain) => (domain.endsWith(ending) && !taken.has(bare(domain)) ? [domain, bare(domain)] : [domain]),
  };
};

/** `authorities`: those that callers are known to name. */
export const planDomains = (
  domains: readonly string[],
  authorities: readonly string[],
  defaultPort?: number,
): DomainPlan => {
  if (defaultPort !== undefined) return planWithDefault(domains, defaultPort);
  if (authorities.length === 0 && domains.every((domain) => portOf(domain) === undefined)) {
    return { ignorePort: true, expand: (domain) => [domain] };
  }
  const taken = new Set(domains);
  const all = [...domains, ...authorities];
  const portsWhere = (wanted: (name: string) => boolean): string[] => [
    ...new Set(all.filter(wanted).flatMap((name) => portOf(name) ?? [])),
  ];
  // A suffix goes before `a.b:*` in Envoy, so exact names need the ports that suffixes have.
  const portsOfWild = portsWhere(isWild);
  const knownPorts = [...new Set([...portsWhere(() => true), '80', '443'])];
  return {
    ignorePort: false,
    expand(domain) {
      if (domain === '*' || portOf(domain) !== undefined) return [domain];
      const ports = isWild(domain) ? knownPorts : portsOfWild;
      const withPorts = ports.map((port) => `${domain}:${port}`).filter((name) => !taken.has(name));
      return isWild(domain) ? [domain, ...withPorts] : [domain, `${domain}:*`, ...withPorts];
    },
  };
};

/** The domain among `domains` that takes an authority, as both engines choose it; undefined when none does. */
export const bestDomain = (authority: string, domains: readonly string[]): string | undefined => {
  const host = authority.replace(/:\d+$/, '');
  let best: string | undefined;
  let bestRank = -1;
  for (const domain of domains) {
    const name = portOf(domain) === undefined ? host : authority;
    const rank =
      domain === name
        ? 100_000 + (name === authority ? 1 : 0)
        : domain === '*'
          ? 0
          : isWild(domain) && name.endsWith(domain.slice(1))
            ? domain.length
            : -1;
    if (rank > bestRank) [best, bestRank] = [domain, rank];
  }
  return best;
};
