// Answers about the caller itself (`kubectl auth whoami`, `kubectl auth can-i`) and tokens for service accounts.
import { timestampOf } from '../lib/clock.ts';
import type { Resource } from '../model/resource.ts';
import { isObject } from './body.ts';
import type { ServedKind } from './kind-index.ts';
import { badRequest, invalid } from './status.ts';
import { audiences, isAdmin, type TokenIssuer, type User } from './user.ts';

type Json = Record<string, unknown>;

const MIN_SECONDS = 600;
const MAX_SECONDS = 365 * 24 * 60 * 60;
const DEFAULT_SECONDS = 3600;

/** The answer to a review that the caller posts about itself; undefined when there is no such review. */
export const answerReview = (
  group: string,
  version: string,
  plural: string,
  body: Json,
  user: User,
): Json | undefined => {
  if (version !== 'v1') return undefined;
  const answer = (kind: string, rest: Json) => ({
    kind,
    apiVersion: `${group}/v1`,
    metadata: { creationTimestamp: null },
    ...rest,
  });
  if (group === 'authentication.k8s.io' && plural === 'selfsubjectreviews') {
    const userInfo = { username: user.name, ...(user.uid ? { uid: user.uid } : {}), groups: user.groups };
    return answer('SelfSubjectReview', { status: { userInfo } });
  }
  if (group !== 'authorization.k8s.io') return undefined;
  const allowed = isAdmin(user);
  const spec = isObject(body.spec) ? body.spec : {};
  if (plural === 'selfsubjectaccessreviews') {
    const reason = allowed ? 'the admin may do everything' : `${user.name} may not use the API's resources`;
    return answer('SelfSubjectAccessReview', { spec, status: { allowed, reason } });
  }
  if (plural === 'selfsubjectrulesreviews') {
    const resourceRules = allowed ? [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] : [];
    const nonResourceRules = allowed ? [{ verbs: ['*'], nonResourceURLs: ['*'] }] : [];
    return answer('SelfSubjectRulesReview', { spec, status: { resourceRules, nonResourceRules, incomplete: false } });
  }
  return undefined;
};

const parseAudiences = (value: unknown): string[] => {
  if (value === undefined || value === null) return [audiences.ca];
  if (
    !Array.isArray(value) ||
    value.length > 16 ||
    value.some((one) => typeof one !== 'string' || one === '' || one.length > 253)
  ) {
    throw badRequest('spec.audiences must be a list of names');
  }
  return value.length === 0 ? [audiences.ca] : value;
};

/** POST …/serviceaccounts/<name>/token: a token that says who a workload is. */
export const answerTokenRequest = async (
  issuer: TokenIssuer,
  kind: ServedKind,
  account: Resource,
  body: Json,
  dryRun: boolean,
): Promise<Json> => {
  const { name, namespace = '', uid } = account.metadata;
  const spec = isObject(body.spec) ? body.spec : {};
  const seconds = spec.expirationSeconds ?? DEFAULT_SECONDS;
  if (typeof seconds !== 'number' || !Number.isSafeInteger(seconds) || seconds < MIN_SECONDS || seconds > MAX_SECONDS) {
    const message = `must be a whole number of seconds from ${MIN_SECONDS} to ${MAX_SECONDS}`;
    throw invalid({ ...kind, kind: 'TokenRequest', group: 'authentication.k8s.io' }, name, [
      { code: 'INVALID_FIELD', severity: 'error', message, path: 'spec.expirationSeconds' },
    ]);
  }
  const wanted = parseAudiences(spec.audiences);
  const { token, expiresAt } = await issuer.issue({
    subject: `system:serviceaccount:${namespace}:${name}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    audience: wanted,
    ttlMs: seconds * 1000,
    ...(uid ? { uid } : {}),
  });
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace, creationTimestamp: null },
    spec: { audiences: wanted, expirationSeconds: seconds, boundObjectRef: null },
    status: { token: dryRun ? '' : token, expirationTimestamp: timestampOf(expiresAt) },
  };
};
