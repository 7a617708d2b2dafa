// Policies for callers that have no identity in the mesh. Envoy takes the URI of any client certificate for one, also of a
// certificate by a user's own authority, or by nobody's; the own engine does not. Used where client certificates are asked for.
import type { AuthorizationPolicy, ConditionMatch, FieldMatch, PolicyRule, SourceMatch } from '../../model/policy.ts';

const KEYS = new Set(['source.principal', 'source.namespace']);

const wantsOne = (field: FieldMatch | undefined): boolean => (field?.any.length ?? 0) > 0;

const strip = ({ principals, namespaces, ...rest }: SourceMatch): SourceMatch[] =>
  wantsOne(principals) || wantsOne(namespaces) ? [] : [rest];

const isAboutIdentity = ({ key }: ConditionMatch): boolean => KEYS.has(key);

const stripRule = ({ from, to, when }: PolicyRule): PolicyRule[] => {
  const sources = from.flatMap(strip);
  if (from.length > 0 && sources.length === 0) return [];
  if (when.some((condition) => isAboutIdentity(condition) && wantsOne(condition.values))) return [];
  return [{ from: sources, to, when: when.filter((condition) => !isAboutIdentity(condition)) }];
};

export const withoutIdentity = (policies: readonly AuthorizationPolicy[]): AuthorizationPolicy[] =>
  policies.map((policy) => ({ ...policy, rules: policy.rules.flatMap(stripRule) }));
