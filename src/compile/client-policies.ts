// ClientTrafficPolicies: what they say of each listener of a Gateway, and their statuses. Used by routing.ts.
import type {
  ClientTlsSpec,
  ClientTrafficPolicySpec,
  ClientValidationSpec,
  StringMatchSpec,
  TlsVersionName,
} from '../kinds/client-traffic-policy/types.ts';
import { parseDurationMs } from '../kinds/duration.ts';
import type { GatewaySpec } from '../kinds/gateway/types.ts';
import { GATEWAY_GROUP } from '../kinds/route-parts.ts';
import { suiteName } from '../kinds/tls-names.ts';
import type { ClientSettings } from '../model/mesh.ts';
import type { Problem } from '../model/problem.ts';
import type {
  ClientCertDetail,
  ClientLimits,
  ForwardClientCert,
  SanMatch,
  TlsParameters,
  TlsVersion,
} from '../model/snapshot.ts';
import type { Authorities } from './authorities.ts';
import { no, type Verdict, yes } from './conditions.ts';
import { byAge, type Input } from './input.ts';
import { matchesSelector } from './listeners.ts';
import { unsupportedPaths } from './policy-fields.ts';
import { policyStatusOf } from './policy-status.ts';
import { notSupported, problemOf } from './problem.ts';
import type { Status } from './statuses.ts';

export interface ClientPolicies {
  /** For one listener: the policy that names it before the one for the whole Gateway. */
  settingsFor(gateway: string, section: string): PolicySettings | undefined;
  statuses(nowMs: number): readonly Status[];
  readonly problems: readonly Problem[];
}

export interface PolicySettings extends ClientSettings {
  /** Why clients can't be checked as the policy wants it: the listener must not be served then. */
  readonly refusal?: string;
}

type PolicyInput = Input<ClientTrafficPolicySpec>;

/** What compile honours; any other field that is set is told in the status. */
const SUPPORTED = new Set([
  'targetRef',
  'targetRefs',
  'targetSelectors',
  'tls.minVersion',
  'tls.maxVersion',
  'tls.ciphers',
  'tls.ecdhCurves',
  'tls.alpnProtocols',
  'tls.clientValidation.optional',
  'tls.clientValidation.caCertificateRefs',
  'tls.clientValidation.subjectAltNames.dnsNames',
  'tls.clientValidation.subjectAltNames.emailAddresses',
  'tls.clientValidation.subjectAltNames.ipAddresses',
  'tls.clientValidation.subjectAltNames.uris',
  'tls.clientValidation.crl.refs',
  'headers.xForwardedClientCert',
  'enableProxyProtocol',
  'proxyProtocol.optional',
  'timeout.tcp.idleTimeout',
  'timeout.http.requestReceivedTimeout',
  'timeout.http.idleTimeout',
  'timeout.http.streamIdleTimeout',
  'connection.connectionLimit.value',
  'connection.connectionLimit.maxConnectionDuration',
  'connection.connectionLimit.maxRequestsPerConnection',
]);

/** Left out, these would let clients in that the policy keeps out. */
const GUARDS = 'tls.clientValidation.';

interface Compiled {
  readonly input: PolicyInput;
  readonly settings: PolicySettings;
  /** In sentences; none when all of it is honoured. */
  readonly faults: readonly string[];
  readonly problems: readonly Problem[];
}

interface Target {
  readonly gateway: string;
  readonly name: string;
  readonly sectionName?: string;
}

export interface ClientPolicyInputs {
  readonly policies: readonly PolicyInput[];
  /** Of Weft's class. */
  readonly gateways: readonly Input<GatewaySpec>[];
  /** Keys of Gateways of other classes: none of ours. */
  readonly foreign: ReadonlySet<string>;
  readonly authorities: Authorities;
}

export const openClientPolicies = ({
  policies,
  gateways,
  foreign,
  authorities,
}: ClientPolicyInputs): ClientPolicies => {
  const known = new Map(gateways.map((gateway) => [gateway.key, gateway]));
  const owners = new Map<string, Compiled>();
  const told: { compiled: Compiled; targets: { target: Target; verdict: Verdict }[] }[] = [];
  const problems: Problem[] = [];
  for (const input of [...policies].sort(byAge)) {
    const compiled = compilePolicy(input, authorities);
    problems.push(...compiled.problems);
    const targets = targetsOf(input, gateways).filter(({ gateway }) => !foreign.has(gateway));
    const verdicts = targets.map((target) => {
      const verdict = verdictAt(compiled, target, known, owners);
      if (verdict.status !== 'True' && verdict.reason !== 'Invalid') {
        problems.push(problemOf(input, 'POLICY_NOT_ACCEPTED', verdict.message, { path: 'spec.targetRefs' }));
      }
      return { target, verdict };
    });
    told.push({ compiled, targets: verdicts });
  }
  return {
    settingsFor: (gateway, section) => (owners.get(`${gateway} ${section}`) ?? owners.get(`${gateway} `))?.settings,
    statuses: (nowMs) =>
      told.map(({ compiled, targets }) => {
        const ancestors = targets.map(({ target: { name, sectionName }, verdict }) => ({
          ancestorRef: {
            group: GATEWAY_GROUP,
            kind: 'Gateway',
            namespace: compiled.input.namespace,
            name,
            ...(sectionName ? { sectionName } : {}),
          },
          verdicts: [verdict],
        }));
        return policyStatusOf(compiled.input, ancestors, nowMs);
      }),
    problems,
  };
};

const targetsOf = ({ spec, namespace }: PolicyInput, gateways: readonly Input<GatewaySpec>[]): Target[] => {
  const refs = [...(spec.targetRef ? [spec.targetRef] : []), ...(spec.targetRefs ?? [])];
  const named = refs.map(({ kind, name, sectionName }) => ({
    gateway: kind === 'Gateway' ? `${namespace}/${name}` : `${kind} ${namespace}/${name}`,
    name,
    ...(sectionName ? { sectionName } : {}),
  }));
  const selected = (spec.targetSelectors ?? []).flatMap((selector) =>
    gateways
      .filter((gateway) => gateway.namespace === namespace && selector.kind === 'Gateway')
      .filter(({ resource }) => matchesSelector(selector, resource.metadata.labels ?? {}))
      .map(({ key, name }) => ({ gateway: key, name })),
  );
  const seen = new Set<string>();
  return [...named, ...selected].filter(({ gateway, sectionName = '' }: Target) => {
    const id = `${gateway} ${sectionName}`;
    return !seen.has(id) && seen.add(id);
  });
};

const verdictAt = (
  compiled: Compiled,
  { gateway: key, sectionName = '' }: Target,
  gateways: ReadonlyMap<string, Input<GatewaySpec>>,
  owners: Map<string, Compiled>,
): Verdict => {
  const gateway = gateways.get(key);
  if (!gateway) {
    const what = key.includes(' ') ? `${key}: only Gateways are supported as targets` : `Gateway ${key} does not exist`;
    return no('Accepted', 'TargetNotFound', what);
  }
  if (sectionName && !gateway.spec.listeners.some(({ name }) => name === sectionName)) {
    return no('Accepted', 'TargetNotFound', `Gateway ${key} has no listener named ${sectionName}`);
  }
  const id = `${key} ${sectionName}`;
  const owner = owners.get(id);
  if (owner) return no('Accepted', 'Conflicted', `the older policy ${owner.input.key} is for the same target`);
  owners.set(id, compiled);
  if (compiled.faults.length > 0) return no('Accepted', 'Invalid', compiled.faults.join('; '));
  return yes('Accepted', 'Accepted');
};

const compilePolicy = (input: PolicyInput, authorities: Authorities): Compiled => {
  const { spec } = input;
  const paths = unsupportedPaths(spec, SUPPORTED);
  const problems: Problem[] = [];
  const faults: string[] = [];
  const refuse = (path: string, what: string, hint: string) => {
    problems.push(notSupported(input, path, what, hint));
    faults.push(`${path}: ${what} is not supported; ${hint}`);
  };
  const listeners = 'until it is removed, no listener that it is for is served';
  const others = 'the rest of the policy holds';
  for (const path of paths) refuse(`spec.${path}`, 'this field', path.startsWith(GUARDS) ? listeners : others);
  for (const field of ['minVersion', 'maxVersion'] as const) {
    const version = spec.tls?.[field];
    if (version === '1.0' || version === '1.1') refuse(`spec.tls.${field}`, `TLS ${version}`, `1.2 is the oldest`);
  }
  const tls = spec.tls && parametersOf(spec.tls);
  const given = spec.tls?.clientValidation;
  const { validation, fault } = given ? validationOf(input, given, authorities) : {};
  if (fault !== undefined) {
    problems.push(problemOf(input, 'CA_NOT_FOUND', fault, { path: 'spec.tls.clientValidation' }));
    faults.push(`spec.tls.clientValidation: ${fault}`);
  }
  const guard = paths.find((path) => path.startsWith(GUARDS));
  const refusal = guard ? `spec.${guard} of the ClientTrafficPolicy ${input.key} is not supported` : undefined;
  const clientCert = forwardingOf(spec.headers?.xForwardedClientCert);
  const missing = given && !validation ? (fault ?? 'it has no caCertificateRefs') : undefined;
  return {
    input,
    faults,
    problems,
    settings: {
      ...(tls && Object.keys(tls).length > 0 && { tls }),
      ...(validation && { validation }),
      ...(clientCert && { clientCert }),
      ...proxyProtocolOf(spec),
      ...limitsOf(spec),
      ...(refusal !== undefined && { refusal }),
      ...(refusal === undefined &&
        missing !== undefined && { refusal: `ClientTrafficPolicy ${input.key}: ${missing}` }),
    },
  };
};

const proxyProtocolOf = ({
  enableProxyProtocol,
  proxyProtocol,
}: ClientTrafficPolicySpec): Pick<ClientSettings, 'proxyProtocol'> => {
  if (proxyProtocol) return { proxyProtocol: proxyProtocol.optional ? 'optional' : 'required' };
  return enableProxyProtocol ? { proxyProtocol: 'required' } : {};
};

/** As good as none: longer than anything lives. */
const NEVER_MS = 2 ** 31 - 1;

/** Absent where nothing is given; `0s` takes a limit away. */
const spanOf = (text: string | undefined): number | undefined => {
  const ms = parseDurationMs(text);
  return ms === 0 ? NEVER_MS : ms;
};

const limitsOf = ({ timeout, connection }: ClientTrafficPolicySpec): Partial<ClientSettings> => {
  const { value, maxConnectionDuration, maxRequestsPerConnection } = connection?.connectionLimit ?? {};
  const given = {
    maxRequestsPerConnection,
    maxConnectionMs: spanOf(maxConnectionDuration),
    requestTimeoutMs: spanOf(timeout?.http?.requestReceivedTimeout),
    streamIdleTimeoutMs: spanOf(timeout?.http?.streamIdleTimeout),
  };
  const limits: ClientLimits = Object.fromEntries(Object.entries(given).filter(([, limit]) => limit !== undefined));
  const idleTimeoutMs = spanOf(timeout?.http?.idleTimeout);
  const tcpIdleTimeoutMs = spanOf(timeout?.tcp?.idleTimeout);
  return {
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(value !== undefined && { maxConnections: value }),
    ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
    ...(tcpIdleTimeoutMs !== undefined && { tcpIdleTimeoutMs }),
  };
};

const versionOf = (version: TlsVersionName | undefined): TlsVersion | undefined =>
  version === '1.2' || version === '1.3' ? version : undefined;

const parametersOf = ({ minVersion, maxVersion, ciphers, ecdhCurves, alpnProtocols }: ClientTlsSpec): TlsParameters => {
  const [min, max] = [versionOf(minVersion), versionOf(maxVersion)];
  return {
    ...(min && { minVersion: min }),
    ...(max && { maxVersion: max }),
    ...(ciphers?.length && { ciphers: ciphers.map((name) => suiteName(name) ?? name) }),
    ...(ecdhCurves?.length && { curves: ecdhCurves }),
    ...(alpnProtocols && { alpn: alpnProtocols }),
  };
};

const validationOf = (
  { namespace }: PolicyInput,
  { optional, caCertificateRefs = [], crl, subjectAltNames }: ClientValidationSpec,
  authorities: Authorities,
): { validation?: NonNullable<ClientSettings['validation']>; fault?: string } => {
  const from = { group: 'gateway.envoyproxy.io', kind: 'ClientTrafficPolicy', namespace };
  const { secret, problem } = authorities(caCertificateRefs, crl?.refs ?? [], from);
  const names = subjectAltNames && sansOf(subjectAltNames);
  return {
    ...(secret && { validation: { secret, optional, ...(names?.length && { subjectAltNames: names }) } }),
    ...(problem
      ? { fault: problem.message }
      : caCertificateRefs.length === 0 && { fault: 'it has no caCertificateRefs' }),
  };
};

const sansOf = (names: NonNullable<ClientValidationSpec['subjectAltNames']>): SanMatch[] => {
  const all = (name: SanMatch['name'], matches: readonly StringMatchSpec[] = []) =>
    matches.map(({ type, value }): SanMatch => ({ name, type: MATCH_TYPES[type], value }));
  return [
    ...all('DNS', names.dnsNames),
    ...all('EMAIL', names.emailAddresses),
    ...all('IP', names.ipAddresses),
    ...all('URI', names.uris),
  ];
};

const MATCH_TYPES = { Exact: 'exact', Prefix: 'prefix', Suffix: 'suffix', RegularExpression: 'regex' } as const;

const MODES = {
  Sanitize: 'sanitize',
  ForwardOnly: 'forward-only',
  AppendForward: 'append-forward',
  SanitizeSet: 'sanitize-set',
  AlwaysForwardOnly: 'always-forward-only',
} as const;

const forwardingOf = (
  spec: NonNullable<ClientTrafficPolicySpec['headers']>['xForwardedClientCert'],
): ForwardClientCert | undefined =>
  spec && {
    mode: MODES[spec.mode ?? 'Sanitize'],
    details: (spec.certDetailsToAdd ?? []).map((detail) => detail.toLowerCase() as ClientCertDetail),
  };
