// AuthorizationPolicies and PeerAuthentications together, with their statuses. Used by compiler.ts.
import type { AuthorizationPolicySpec } from '../kinds/authorization-policy/types.ts';
import type { PeerAuthenticationSpec } from '../kinds/peer-authentication/schema.ts';
import type { ScopedPeerMode, ScopedPolicy } from '../model/mesh.ts';
import type { Input, Inputs } from './input.ts';
import { keepEqual, openStage } from './keep.ts';
import { compilePeerModes } from './peer-modes.ts';
import { type CompiledPolicy, compilePolicy, danglingTargets } from './policies.ts';
import type { ServicePart } from './services.ts';
import { changedOnly, istioStatusOf } from './statuses.ts';

export const openSecurity = (options: { trustDomain: string; rootNamespace: string }) => {
  const compiled = new WeakMap<Input, CompiledPolicy>();
  const stage = openStage<ReturnType<typeof build>>();
  let policies: readonly ScopedPolicy[] = [];
  let peerModes: readonly ScopedPeerMode[] = [];
  const build = (inputs: Inputs, services: readonly ServicePart[], nowMs: number) => {
    const targets = new Set([
      ...services.map(({ service }) => `${service.namespace}/Service/${service.name}`),
      ...inputs.of('gateway.networking.k8s.io/Gateway').map(({ namespace, name }) => `${namespace}/Gateway/${name}`),
    ]);
    const all = inputs.of<AuthorizationPolicySpec>('security.istio.io/AuthorizationPolicy').map((input) => {
      const policy = compiled.get(input) ?? compilePolicy(input, options);
      compiled.set(input, policy);
      const problems = [...policy.problems, ...danglingTargets(input, policy, (target) => targets.has(target))];
      return { input, policies: policy.policies, problems };
    });
    const peers = inputs.of<PeerAuthenticationSpec>('security.istio.io/PeerAuthentication');
    policies = keepEqual(policies, all.flatMap((entry) => entry.policies).sort(denyFirst));
    peerModes = keepEqual(peerModes, compilePeerModes(peers, options.rootNamespace));
    return {
      policies,
      peerModes,
      problems: all.flatMap(({ problems }) => problems),
      statuses: changedOnly(all.map(({ input, problems }) => istioStatusOf(input, problems, nowMs))),
    };
  };
  return (inputs: Inputs, services: readonly ServicePart[], nowMs: number) =>
    stage(
      [
        inputs.of('security.istio.io/AuthorizationPolicy'),
        inputs.of('security.istio.io/PeerAuthentication'),
        inputs.of('gateway.networking.k8s.io/Gateway'),
        services.map(({ key }) => key),
      ],
      () => build(inputs, services, nowMs),
    );
};

/** DENY before ALLOW, wide before narrow, then by name: the order in which they are asked and shown. */
const denyFirst = (a: ScopedPolicy, b: ScopedPolicy): number => {
  const rank = ({ scope, policy }: ScopedPolicy) =>
    (policy.action === 'DENY' ? 0 : 4) + (scope.namespace ? 1 : 0) + (scope.labels || scope.target ? 2 : 0);
  return rank(a) - rank(b) || (a.policy.name < b.policy.name ? -1 : a.policy.name > b.policy.name ? 1 : 0);
};
