// Envoy's response flags as letters. Called by envoy-log.
import type { ResponseFlags } from '../gen/envoy/data/accesslog/v3/accesslog_pb.js';

type FlagName = Exclude<keyof ResponseFlags, `$${string}` | 'unauthorizedDetails'>;

const LETTERS: readonly (readonly [FlagName, string])[] = [
  ['failedLocalHealthcheck', 'LH'],
  ['noHealthyUpstream', 'UH'],
  ['upstreamRequestTimeout', 'UT'],
  ['localReset', 'LR'],
  ['upstreamRemoteReset', 'UR'],
  ['upstreamConnectionFailure', 'UF'],
  ['upstreamConnectionTermination', 'UC'],
  ['upstreamOverflow', 'UO'],
  ['noRouteFound', 'NR'],
  ['delayInjected', 'DI'],
  ['faultInjected', 'FI'],
  ['rateLimited', 'RL'],
  ['rateLimitServiceError', 'RLSE'],
  ['downstreamConnectionTermination', 'DC'],
  ['upstreamRetryLimitExceeded', 'URX'],
  ['streamIdleTimeout', 'SI'],
  ['invalidEnvoyRequestHeaders', 'IH'],
  ['downstreamProtocolError', 'DPE'],
  ['upstreamMaxStreamDurationReached', 'UMSDR'],
  ['noFilterConfigFound', 'NFCF'],
  ['durationTimeout', 'DT'],
  ['upstreamProtocolError', 'UPE'],
  ['noClusterFound', 'NC'],
  ['overloadManager', 'OM'],
  ['dnsResolutionFailure', 'DF'],
  ['downstreamRemoteReset', 'DR'],
];

export const lettersOf = (flags: ResponseFlags | undefined): string[] => {
  const letters = LETTERS.filter(([name]) => flags?.[name]).map(([, letter]) => letter);
  if (flags?.unauthorizedDetails) letters.push('UAEX');
  return letters;
};
