// BackendTrafficPolicies: what they make of the routes at each listener, and their statuses. Used by routing.ts.
import type { BackendTrafficPolicySpec } from '../kinds/backend-traffic-policy/types.ts';
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import type { AncestorRef } from '../kinds/policy-parts.ts';
import { GATEWAY_GROUP } from '../kinds/route-parts.ts';
import type { BackendTraffic } from '../model/mesh.ts';
import type { Problem } from '../model/problem.ts';
import type { RateLimitRule } from '../model/rate-limit.ts';
import type { RouteFilter } from '../model/route.ts';
import { INVALID_CLUSTER, type WeightedCluster } from '../model/snapshot.ts';
import { type BackendSettings, backendSettings, type Refused, refusedParts } from './backend-settings.ts';
import { withPolicy } from './cluster-names.ts';
import { no, type Verdict, yes } from './conditions.ts';
import { allListeners, type GatewayPart } from './gateways.ts';
import { byAge, type Input } from './input.ts';
import { matchesSelector } from './listeners.ts';
import { type AncestorVerdicts, policyStatusOf } from './policy-status.ts';
import { notSupported, problemOf } from './problem.ts';
import { rateLimitsOf } from './rate-limits.ts';
import type { OrderedRoute } from './route-order.ts';
import type { CompiledRoute } from './routes.ts';
import type { Status } from './statuses.ts';

type PolicyInput = Input<BackendTrafficPolicySpec>;

export interface BackendPolicies {
  /** A route as it is at one listener: by the policy for its rule, else for it, the listener, the Gateway. */
  apply(gateway: string, section: string, route: CompiledRoute): RouteParts;
  /** For clusters, by `namespace/name` of the policy. */
  readonly traffic: ReadonlyMap<string, BackendTraffic>;
  statuses(nowMs: number): readonly Status[];
  readonly problems: readonly Problem[];
}

export interface RouteParts {
  readonly routes: readonly OrderedRoute[];
  readonly targets: readonly WeightedCluster[];
}

interface Compiled {
  readonly input: PolicyInput;
  readonly settings: BackendSettings;
  readonly refused: readonly Refused[];
}

interface Target {
  readonly kind: string;
  readonly name: string;
  /** `Kind namespace/name`. */
  readonly id: string;
  readonly sectionName?: string;
}

export interface BackendPolicyInputs {
  readonly policies: readonly PolicyInput[];
  /** With the routes that are attached. */
  readonly gateways: readonly GatewayPart[];
  /** Keys of Gateways of other classes: none of ours. */
  readonly foreign: ReadonlySet<string>;
  readonly routes: readonly CompiledRoute[];
  readonly rateLimitFailClosed: boolean;
}

const NONE: BackendPolicies = {
  apply: (_gateway, _section, route) => route,
  traffic: new Map(),
  statuses: () => [],
  problems: [],
};

export const openBackendPolicies = (inputs: BackendPolicyInputs): BackendPolicies => {
  if (inputs.policies.length === 0) return NONE;
  const places = placesOf(inputs);
  /** By target and section. */
  const owners = new Map<string, Compiled>();
  const problems: Problem[] = [];
  const told = [...inputs.policies].sort(byAge).map((input) => {
    const { annotations = {} } = input.resource.metadata;
    const settings = backendSettings(input.spec, input.key, annotations);
    const compiled = { input, settings, refused: refusedParts(input.spec, annotations) };
    for (const { path, what } of compiled.refused) problems.push(notSupported(input, path, what, REST));
    const targets = targetsOf(input, inputs).map((target) => {
      const verdict = verdictAt(compiled, target, places, owners);
      if (verdict.status !== 'True' && verdict.reason !== 'Invalid') {
        problems.push(problemOf(input, 'POLICY_NOT_ACCEPTED', verdict.message, { path: 'spec.targetRefs' }));
      }
      return { target, verdict };
    });
    return { input, targets, cluster: compiled.settings.cluster };
  });
  const applied = new Map<string, RouteParts>();
  return {
    apply(gateway, section, route) {
      if (owners.size === 0) return route;
      const own = idOf(route);
      const all =
        owners.get(`${own} `) ?? owners.get(`Gateway ${gateway} ${section}`) ?? owners.get(`Gateway ${gateway} `);
      const rules = (route.input.spec.rules ?? []).map(({ name }) => (name && owners.get(`${own} ${name}`)) || all);
      const id = `${own}\n${rules.map((policy) => policy?.input.key ?? '').join('\n')}`;
      const parts = applied.get(id) ?? applyTo(route, rules, inputs.rateLimitFailClosed);
      applied.set(id, parts);
      return parts;
    },
    traffic: new Map(
      told.flatMap(({ input, cluster }) => (Object.keys(cluster).length > 0 ? [[input.key, cluster] as const] : [])),
    ),
    statuses: (nowMs) =>
      told.map(({ input, targets }) => {
        const ancestors = targets.flatMap(({ target, verdict }) => ancestorsOf(input, target, verdict, places, owners));
        return policyStatusOf(input, distinct(ancestors), nowMs);
      }),
    problems,
  };
};

const REST = 'the rest of the policy holds';

const idOf = ({ kind, input }: CompiledRoute): string => `${kind.kind} ${input.key}`;

interface Places {
  readonly gateways: ReadonlyMap<string, GatewayPart>;
  readonly routes: ReadonlyMap<string, CompiledRoute>;
  /** By the route's id: the keys of the Gateways that it is attached to. */
  readonly attached: ReadonlyMap<string, ReadonlySet<string>>;
}

const placesOf = ({ gateways, routes }: BackendPolicyInputs): Places => {
  const attached = new Map<string, Set<string>>();
  for (const part of gateways) {
    for (const { route } of allListeners(part).flatMap((listener) => listener.attached)) {
      const id = idOf(route);
      attached.set(id, (attached.get(id) ?? new Set()).add(part.input.key));
    }
  }
  return {
    gateways: new Map(gateways.map((part) => [part.input.key, part])),
    routes: new Map(routes.map((route) => [idOf(route), route])),
    attached,
  };
};

/** Without those that belong to other controllers. */
const targetsOf = ({ spec, namespace }: PolicyInput, { gateways, foreign, routes }: BackendPolicyInputs): Target[] => {
  const refs = [...(spec.targetRef ? [spec.targetRef] : []), ...(spec.targetRefs ?? [])];
  const known: { kind: string; input: Input }[] = [
    ...gateways.map(({ input }) => ({ kind: 'Gateway', input: input as Input<GatewaySpec> })),
    ...routes.map(({ kind, input }) => ({ kind: kind.kind, input })),
  ];
  const selected = (spec.targetSelectors ?? []).flatMap((selector) =>
    known
      .filter(({ kind, input }) => kind === selector.kind && input.namespace === namespace)
      .filter(({ input }) => matchesSelector(selector, input.resource.metadata.labels ?? {}))
      .map(({ kind, input: { name } }) => ({ kind, name, sectionName: undefined })),
  );
  const targets = new Map<string, Target>();
  for (const { kind, name, sectionName } of [...refs, ...selected]) {
    const id = `${kind} ${namespace}/${name}`;
    if (kind === 'Gateway' && foreign.has(`${namespace}/${name}`)) continue;
    const section = `${id} ${sectionName ?? ''}`;
    if (!targets.has(section)) targets.set(section, { kind, name, id, ...(sectionName && { sectionName }) });
  }
  return [...targets.values()];
};

const verdictAt = (
  compiled: Compiled,
  { id, kind, sectionName }: Target,
  { gateways, routes, attached }: Places,
  owners: Map<string, Compiled>,
): Verdict => {
  const nowhere = (message: string) => no('Accepted', 'TargetNotFound', message);
  const gateway = kind === 'Gateway' ? gateways.get(id.slice('Gateway '.length)) : undefined;
  const route = routes.get(id);
  if (!gateway && !route) return nowhere(`${id} does not exist`);
  if (route && !attached.has(id))
    return nowhere(`${id} is attached to no Gateway; calls inside the mesh have no policy`);
  const sections: readonly { readonly name?: string }[] =
    gateway?.input.spec.listeners ?? route?.input.spec.rules ?? [];
  if (sectionName && !sections.some(({ name }) => name === sectionName)) {
    return nowhere(`${id} has no ${gateway ? 'listener' : 'rule'} named ${sectionName}`);
  }
  const place = `${id} ${sectionName ?? ''}`;
  const owner = owners.get(place);
  if (owner) return no('Accepted', 'Conflicted', `the older policy ${owner.input.key} is for the same target`);
  owners.set(place, compiled);
  if (compiled.refused.length === 0) return yes('Accepted', 'Accepted');
  const faults = compiled.refused.map(({ path, what }) => `${path}: ${what} is not supported`);
  return no('Accepted', 'Invalid', `${faults.join('; ')}; ${REST}`);
};

/** The Gateway, or those that the route is attached to; for others the target itself. */
const ancestorsOf = (
  { namespace }: PolicyInput,
  { id, kind, name, sectionName }: Target,
  verdict: Verdict,
  places: Places,
  owners: ReadonlyMap<string, Compiled>,
): AncestorVerdicts[] => {
  const target = { group: GATEWAY_GROUP, kind, namespace, name, ...(sectionName && { sectionName }) };
  if (kind === 'Gateway') {
    const part = places.gateways.get(`${namespace}/${name}`);
    const own =
      part && (verdict.status === 'True' || verdict.reason === 'Invalid') ? narrower(part, sectionName, owners) : [];
    const message = `others, which are for less, come before it at ${own.join(', ')}`;
    return [
      {
        ancestorRef: target,
        verdicts: own.length > 0 ? [verdict, yes('Overridden', 'Overridden', message)] : [verdict],
      },
    ];
  }
  const gateways = [...(places.attached.get(id) ?? [])].sort();
  const refs = gateways.map((key): AncestorRef => {
    const [gatewayNamespace = '', gateway = ''] = key.split('/');
    return { group: GATEWAY_GROUP, kind: 'Gateway', namespace: gatewayNamespace, name: gateway };
  });
  return (refs.length > 0 ? refs : [target]).map((ancestorRef) => ({ ancestorRef, verdicts: [verdict] }));
};

/** What of a Gateway or listener has a policy of its own. */
const narrower = (part: GatewayPart, section: string | undefined, owners: ReadonlyMap<string, Compiled>): string[] => {
  const found = new Set<string>();
  for (const { checked, attached } of allListeners(part)) {
    if (section !== undefined && section !== checked.id) continue;
    if (section === undefined && owners.has(`Gateway ${part.input.key} ${checked.id}`))
      found.add(`listener ${checked.id}`);
    for (const { route } of attached) {
      const id = idOf(route);
      const names = ['', ...(route.input.spec.rules ?? []).map((rule) => rule.name ?? '')];
      if (names.some((rule) => owners.has(`${id} ${rule}`))) found.add(id);
    }
  }
  return [...found];
};

/** One for each Gateway; of several targets with one Gateway what is wrong is told. */
const distinct = (all: readonly AncestorVerdicts[]): AncestorVerdicts[] => {
  const found = new Map<string, AncestorVerdicts>();
  for (const one of all) {
    const { kind, namespace, name, sectionName = '' } = one.ancestorRef;
    const id = `${kind} ${namespace}/${name} ${sectionName}`;
    if ((found.get(id)?.verdicts[0]?.status ?? 'True') === 'True') found.set(id, one);
  }
  return [...found.values()];
};

const globalLimit = (rules: readonly RateLimitRule[], failClosed: boolean): RouteFilter => ({
  type: 'global-rate-limit',
  rules,
  ...(failClosed && { failClosed: true }),
});

/** For the route of this name. */
const policyFilters = (
  { rateLimits: { local, global }, compression }: BackendSettings,
  route: string,
  failClosed: boolean,
): RouteFilter[] => [
  ...(local.length > 0 ? [{ type: 'local-rate-limit', rules: rateLimitsOf(local, route) } as const] : []),
  ...(global.length > 0 ? [globalLimit(rateLimitsOf(global, route), failClosed)] : []),
  ...(compression ? [compression] : []),
];

const applyTo = (route: CompiledRoute, rules: readonly (Compiled | undefined)[], failClosed: boolean): RouteParts => {
  const clustered = <T extends WeightedCluster>(target: T, policy: Compiled): T =>
    target.cluster === INVALID_CLUSTER || Object.keys(policy.settings.cluster).length === 0
      ? target
      : { ...target, cluster: withPolicy(target.cluster, policy.input.key) };
  const [first] = rules;
  return {
    targets: first ? route.targets.map((target) => clustered(target, first)) : route.targets,
    routes: route.routes.map((ordered) => {
      const { name, action } = ordered.route;
      const policy = rules[Number(name.split('/').at(-2))];
      if (!policy || action.type !== 'forward') return ordered;
      const targets = action.targets.map((target) => clustered(target, policy));
      // What the route says itself comes before the policy.
      const filters = [...policyFilters(policy.settings, name, failClosed), ...ordered.route.filters];
      const forward = { ...policy.settings.route, ...action, targets };
      return { ...ordered, route: { ...ordered.route, filters, action: forward } };
    }),
  };
};
