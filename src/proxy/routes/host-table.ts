// Finds the virtual host of an authority: exact names, then the longest `*.suffix`, then `*`. Called by proxy/router.

/** `domains` are lower case, each with an optional port; the first to claim a domain keeps it. */
export class HostTable<T> {
  readonly #exact = new Map<string, T>();
  /** Keyed by the suffix with its leading dot, `.b.c` or `.b.c:80`. */
  readonly #suffixes = new Map<string, T>();
  #any: T | undefined;
  readonly #anyOnPort = new Map<string, T>();

  add(domain: string, value: T): void {
    if (domain === '*') this.#any ??= value;
    else if (domain.startsWith('*:')) this.#addTo(this.#anyOnPort, domain.slice(1), value);
    else if (domain.startsWith('*.')) this.#addTo(this.#suffixes, domain.slice(1), value);
    else this.#addTo(this.#exact, domain, value);
  }

  #addTo(map: Map<string, T>, key: string, value: T): void {
    if (!map.has(key)) map.set(key, value);
  }

  /** `host`: lower case, with the port as sent. At each step a domain that names the port goes before one that doesn't. */
  find(host: string): T | undefined {
    if (this.#exact.size > 0 || this.#suffixes.size > 0 || this.#anyOnPort.size > 0) {
      const colon = host.lastIndexOf(':');
      const hasPort = colon > host.lastIndexOf(']');
      const bare = hasPort ? host.slice(0, colon) : host;
      const found =
        (hasPort ? this.#exact.get(host) : undefined) ??
        this.#exact.get(bare) ??
        (this.#suffixes.size > 0 ? this.#bySuffix(host, bare, hasPort) : undefined) ??
        (hasPort ? this.#anyOnPort.get(host.slice(colon)) : undefined);
      if (found !== undefined) return found;
    }
    return this.#any;
  }

  #bySuffix(host: string, bare: string, hasPort: boolean): T | undefined {
    // From 1: the `*` stands for at least one character.
    for (let dot = bare.indexOf('.', 1); dot >= 0; dot = bare.indexOf('.', dot + 1)) {
      const found = (hasPort ? this.#suffixes.get(host.slice(dot)) : undefined) ?? this.#suffixes.get(bare.slice(dot));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
