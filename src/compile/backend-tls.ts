// BackendTLSPolicies: how gateways speak TLS to the ports of Services, and the policies' statuses. Used by compiler.ts.
import type { BackendTlsPolicySpec } from '../kinds/backend-tls-policy/schema.ts';
import type { AncestorRef, PolicyTarget } from '../kinds/policy-parts.ts';
import { GATEWAY_GROUP } from '../kinds/route-parts.ts';
import type { BackendTls, MeshGateway, MeshService, ServicePort } from '../model/mesh.ts';
import type { Problem } from '../model/problem.ts';
import type { SanMatch } from '../model/snapshot.ts';
import type { Authorities } from './authorities.ts';
import { baseCluster, outboundCluster, serviceHost } from './cluster-names.ts';
import { no, type Verdict, yes } from './conditions.ts';
import { targetClusters } from './gateway-targets.ts';
import { byAge, type Input } from './input.ts';
import { policyStatusOf } from './policy-status.ts';
import { notSupported, problemOf, warning } from './problem.ts';
import { changedOnly, type Status } from './statuses.ts';

type PolicyInput = Input<BackendTlsPolicySpec>;

export interface BackendTlsPart {
  /** By the cluster's name. */
  readonly backendTls: ReadonlyMap<string, BackendTls>;
  readonly statuses: readonly Status[];
  readonly problems: readonly Problem[];
}

export interface BackendTlsInputs {
  readonly policies: readonly PolicyInput[];
  readonly services: ReadonlyMap<string, MeshService>;
  readonly gateways: ReadonlyMap<string, MeshGateway>;
  readonly authorities: Authorities;
  readonly nowMs: number;
}

export const compileBackendTls = ({
  policies,
  services,
  gateways,
  authorities,
  nowMs,
}: BackendTlsInputs): BackendTlsPart => {
  const users = policies.length > 0 ? clusterUsers(gateways) : new Map<string, Set<string>>();
  /** By cluster; what names the port itself wins. */
  const found = new Map<string, { readonly own: boolean; readonly tls: BackendTls }>();
  const owners = new Map<string, string>();
  const statuses: Status[] = [];
  const problems: Problem[] = [];
  for (const input of [...policies].sort(byAge)) {
    const compiled = compilePolicy(input, authorities);
    const ancestors = new Map<string, { ancestorRef: AncestorRef; verdicts: readonly Verdict[] }>();
    for (const target of input.spec.targetRefs) {
      const service = services.get(`${input.namespace}/${target.name}`);
      const ports = portsOf(service, target);
      const accepted = acceptedAt(input, target, ports, owners) ?? compiled.accepted;
      const isRefused = accepted.status !== 'True';
      // Another policy's target stays what it is.
      const counts = !isRefused || accepted === compiled.accepted || accepted.reason === MESH;
      for (const { cluster } of counts ? ports : []) {
        const own = target.sectionName !== undefined;
        if (own || !found.has(cluster)) found.set(cluster, { own, tls: isRefused ? { refused: true } : compiled.tls });
      }
      if (isRefused) {
        const hint = counts ? { hint: 'until then, gateways answer 503 for the ports that it is for' } : {};
        problems.push(problemOf(input, 'POLICY_NOT_ACCEPTED', accepted.message, { path: 'spec', ...hint }));
      }
      for (const ancestorRef of ancestorsOf(input, target, ports, users)) {
        const id = `${ancestorRef.kind} ${ancestorRef.namespace}/${ancestorRef.name}`;
        const before = ancestors.get(id);
        if (before && before.verdicts[0]?.status !== 'True') continue;
        ancestors.set(id, { ancestorRef, verdicts: [accepted, compiled.resolved] });
      }
    }
    if (Object.keys(input.spec.options ?? {}).length > 0)
      problems.push(warning(notSupported(input, 'spec.options', 'any option', 'the rest of the policy holds')));
    statuses.push(policyStatusOf(input, [...ancestors.values()], nowMs));
  }
  const backendTls = new Map([...found].map(([cluster, { tls }]) => [cluster, tls]));
  return { backendTls, statuses: changedOnly(statuses), problems };
};

interface TargetPort {
  readonly cluster: string;
  readonly port: ServicePort;
}

const portsOf = (service: MeshService | undefined, { sectionName }: PolicyTarget): TargetPort[] =>
  (service?.ports ?? [])
    .filter(({ name }) => sectionName === undefined || name === sectionName)
    .map((port) => ({ cluster: outboundCluster(port.port, serviceHost(service!)), port }));

const MESH = 'Invalid';

/** Why the policy can't be used at this target; undefined when it can. */
const acceptedAt = (
  { namespace, key }: PolicyInput,
  { group, kind, name, sectionName }: PolicyTarget,
  ports: readonly TargetPort[],
  owners: Map<string, string>,
): Verdict | undefined => {
  if (group !== '' || kind !== 'Service') {
    return no('Accepted', 'TargetNotFound', `a target of kind ${kind} is not supported; use a Service`);
  }
  if (ports.length === 0) {
    const port = sectionName === undefined ? '' : ` with a port named ${sectionName}`;
    return no('Accepted', 'TargetNotFound', `there is no Service ${namespace}/${name}${port}`);
  }
  const id = `${namespace}/${name} ${sectionName ?? ''}`;
  const owner = owners.get(id);
  if (owner !== undefined) return no('Accepted', 'Conflicted', `the older policy ${owner} is for the same target`);
  owners.set(id, key);
  if (!ports.some(({ port }) => port.endpoints.some(({ mesh }) => mesh))) return undefined;
  const message = `workloads of Service ${namespace}/${name} are in the mesh, which reaches them by mutual TLS of its own`;
  return no('Accepted', MESH, message);
};

interface CompiledPolicy {
  readonly tls: BackendTls;
  readonly accepted: Verdict;
  readonly resolved: Verdict;
}

const compilePolicy = ({ spec, namespace }: PolicyInput, authorities: Authorities): CompiledPolicy => {
  const { hostname, caCertificateRefs = [], wellKnownCACertificates, subjectAltNames } = spec.validation;
  const names = subjectAltNames?.map(
    ({ type, hostname: name = '', uri = '' }): SanMatch =>
      type === 'URI' ? { name: 'URI', type: 'exact', value: uri } : { name: 'DNS', type: 'exact', value: name },
  );
  const from = { group: GATEWAY_GROUP, kind: 'BackendTLSPolicy', namespace };
  const { secret, problem } = caCertificateRefs.length > 0 ? authorities(caCertificateRefs, [], from) : {};
  const reason = problem?.reason === 'InvalidCACertificateKind' ? 'InvalidKind' : problem?.reason;
  const none = caCertificateRefs.length > 0 && !secret;
  if (wellKnownCACertificates !== undefined && wellKnownCACertificates !== 'System') {
    const message = `wellKnownCACertificates: "${wellKnownCACertificates}" is not supported; use System, or caCertificateRefs`;
    const accepted = no('Accepted', 'Invalid', message);
    return { tls: { refused: true }, accepted, resolved: yes('ResolvedRefs', 'ResolvedRefs') };
  }
  return {
    tls: { sni: hostname, ...(secret && { ca: secret }), ...(names?.length && { subjectAltNames: names }) },
    accepted: none
      ? no('Accepted', 'NoValidCACertificate', problem?.message ?? 'there is no certificate of an authority')
      : yes('Accepted', 'Accepted'),
    resolved: problem ? no('ResolvedRefs', reason ?? '', problem.message) : yes('ResolvedRefs', 'ResolvedRefs'),
  };
};

/** Which Gateways' routes lead to a cluster, by its name. */
const clusterUsers = (gateways: ReadonlyMap<string, MeshGateway>): Map<string, Set<string>> => {
  const users = new Map<string, Set<string>>();
  for (const [key, gateway] of gateways) {
    for (const cluster of targetClusters(gateway).map(baseCluster)) {
      const keys = users.get(cluster);
      if (keys) keys.add(key);
      else users.set(cluster, new Set([key]));
    }
  }
  return users;
};

/** The Gateways that it matters to; with none, the Service itself. */
const ancestorsOf = (
  { namespace }: PolicyInput,
  { group, kind, name }: PolicyTarget,
  ports: readonly TargetPort[],
  users: ReadonlyMap<string, ReadonlySet<string>>,
): AncestorRef[] => {
  const keys = new Set(ports.flatMap(({ cluster }) => [...(users.get(cluster) ?? [])]));
  if (keys.size === 0) return [{ group, kind, namespace, name }];
  return [...keys].sort().map((key) => {
    const [gatewayNamespace = '', gateway = ''] = key.split('/');
    return { group: GATEWAY_GROUP, kind: 'Gateway', namespace: gatewayNamespace, name: gateway };
  });
};
