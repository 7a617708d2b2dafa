// How one listener takes its clients: its ClientTrafficPolicy over its Gateway's spec.tls.frontend. Used by listeners.ts.
import type { GatewaySpec, ListenerSpec } from '../kinds/gateway/types.ts';
import { GATEWAY_GROUP } from '../kinds/route-parts.ts';
import type { ClientSettings } from '../model/mesh.ts';
import type { Authorities } from './authorities.ts';
import type { ClientPolicies } from './client-policies.ts';
import { no, type Verdict } from './conditions.ts';
import type { Input } from './input.ts';

export interface ClientResult {
  readonly settings?: ClientSettings;
  /** Serving without the check of client certificates that was asked for would let anyone in. */
  readonly refused?: Verdict;
  readonly unresolved?: Verdict;
}

/** The published default is for every HTTPS listener of the Gateway; what is given for a port is in its place. */
const frontendOf = ({ spec }: Input<GatewaySpec>, { protocol, port }: ListenerSpec) => {
  const frontend = protocol === 'HTTPS' ? spec.tls?.frontend : undefined;
  const own = frontend?.perPort?.find((entry) => entry.port === port);
  return (own ? own.tls : frontend?.default)?.validation;
};

export const clientSettings = (
  gateway: Input<GatewaySpec>,
  /** The listener's, as policies name it. */
  section: string,
  listener: ListenerSpec,
  { clients, authorities }: { readonly clients: ClientPolicies; readonly authorities: Authorities },
): ClientResult => {
  const terminates = listener.protocol === 'HTTPS' || listener.tls?.mode === 'Terminate';
  const { refusal, ...policy } = clients.settingsFor(gateway.key, section) ?? {};
  if (refusal !== undefined && terminates) return { refused: no('Accepted', 'Invalid', refusal) };
  const settings: ClientSettings = policy;
  const frontend = policy.validation ? undefined : frontendOf(gateway, listener);
  if (!frontend) return Object.keys(settings).length > 0 ? { settings } : {};
  const from = { group: GATEWAY_GROUP, kind: 'Gateway', namespace: gateway.namespace };
  const { secret, problem } = authorities(frontend.caCertificateRefs, [], from);
  const unresolved = problem && no('ResolvedRefs', problem.reason, problem.message);
  if (!secret) {
    const refused = no(
      'Accepted',
      'NoValidCACertificate',
      problem?.message ?? 'there is no certificate of an authority',
    );
    return { refused, ...(unresolved && { unresolved }) };
  }
  const insecure = frontend.mode === 'AllowInsecureFallback';
  const validation = { secret, optional: insecure, ...(insecure && { acceptInvalid: true }) };
  return { settings: { ...settings, validation }, ...(unresolved && { unresolved }) };
};
