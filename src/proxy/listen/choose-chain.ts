// Which filter chain takes a connection: by TLS or not, then the server name. Called by listener.ts.
import type { FilterChain } from '../../model/snapshot.ts';
import type { FirstLook } from './sniff.ts';

/** True when the first bytes are needed to tell the chains apart, or to terminate TLS. */
export const needsFirstLook = (chains: readonly FilterChain[]): boolean =>
  chains.some(({ tls, match }) => tls || match.transport || match.protocol || match.serverNames.length > 0);

/** True when who connects may wait for the other side to speak first: then the absence of bytes has to choose a chain too. */
export const hasServerFirst = (chains: readonly FilterChain[]): boolean =>
  chains.some(
    ({ tls, match, handler }) =>
      match.protocol || (handler.type === 'tcp' && !tls && match.transport !== 'tls' && match.serverNames.length === 0),
  );

/** 0: does not match; else the better the larger: exact over the longest suffix over none. */
const fit = (chain: FilterChain, { transport, serverName, isHttp }: FirstLook): number => {
  if (chain.match.protocol && isHttp === false) return 0;
  if (chain.match.transport && chain.match.transport !== transport) return 0;
  // Only a chain that terminates TLS or takes bytes as they come can have a ClientHello.
  if (chain.tls && transport === 'plain') return 0;
  const { serverNames } = chain.match;
  if (serverNames.length === 0) return 1;
  if (serverName === '') return 0;
  let best = 0;
  for (const name of serverNames) {
    if (name === serverName) return 10_000;
    if (name.startsWith('*.') && serverName.endsWith(name.slice(1))) best = Math.max(best, 1 + name.length);
  }
  return best;
};

/** The best chain; of equal ones the first. As long as it isn't known whether it's HTTP, a chain for HTTP alone matches. */
export const chooseChain = <T extends { readonly chain: FilterChain }>(
  chains: readonly T[],
  look: FirstLook,
): T | undefined => {
  let best: T | undefined;
  let bestFit = 0;
  for (const candidate of chains) {
    const value = fit(candidate.chain, look);
    if (value > bestFit) [best, bestFit] = [candidate, value];
  }
  return best;
};
