// PeerAuthentications: which workloads take plain text. Used by compile, and by sidecar snapshots.
import type { PeerAuthenticationSpec } from '../kinds/peer-authentication/schema.ts';
import type { PolicyScope, ScopedPeerMode } from '../model/mesh.ts';
import { byAge, type Input } from './input.ts';
import { matchesLabels } from './selection.ts';

type Mode = Exclude<ScopedPeerMode['mode'], 'INHERIT'>;
type Labels = Readonly<Record<string, string>>;

/** Oldest first; of several for the same workloads the oldest counts, as in Istio. */
export const compilePeerModes = (
  inputs: readonly Input<PeerAuthenticationSpec>[],
  rootNamespace: string,
): ScopedPeerMode[] => [...inputs].sort(byAge).flatMap((input) => compilePeerMode(input, rootNamespace));

const compilePeerMode = (
  { spec, namespace }: Input<PeerAuthenticationSpec>,
  rootNamespace: string,
): ScopedPeerMode[] => {
  const { mode = 'UNSET' } = spec.mtls ?? {};
  const portModes: Record<number, Mode> = {};
  for (const [port, { mode: portMode = 'UNSET' }] of Object.entries(spec.portLevelMtls ?? {})) {
    if (portMode !== 'UNSET') portModes[Number(port)] = portMode;
  }
  if (mode === 'UNSET' && Object.keys(portModes).length === 0) return [];
  const labels = spec.selector?.matchLabels;
  const narrowed = labels && Object.keys(labels).length > 0 ? { labels } : {};
  const scope: PolicyScope = namespace === rootNamespace && !('labels' in narrowed) ? {} : { namespace, ...narrowed };
  return [{ scope, mode: mode === 'UNSET' ? 'INHERIT' : mode, portModes }];
};

/** The mode of one port of a workload: its own, its namespace's, then the mesh's; PERMISSIVE when nobody says. */
export const peerModeOf = (
  modes: readonly ScopedPeerMode[],
  workload: { readonly namespace: string; readonly labels: Labels },
  port: number | undefined,
): Mode => {
  const levels: ((scope: PolicyScope) => boolean)[] = [
    (scope) =>
      scope.labels !== undefined &&
      scope.namespace === workload.namespace &&
      matchesLabels(scope.labels, workload.labels),
    (scope) => scope.labels === undefined && scope.namespace === workload.namespace,
    (scope) => scope.labels === undefined && scope.namespace === undefined,
  ];
  for (const applies of levels) {
    const found = modes.find(({ scope }) => applies(scope));
    const mode = (port === undefined ? undefined : found?.portModes[port]) ?? found?.mode;
    if (mode && mode !== 'INHERIT') return mode;
  }
  return 'PERMISSIVE';
};
