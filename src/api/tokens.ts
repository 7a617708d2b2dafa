// Bearer tokens: signed JWTs, made and checked with one key on disk. Opened by the control plane; also tells join tokens apart.
import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../lib/clock.ts';
import { writeDurably } from '../lib/durable-file.ts';
import { messageOf, systemCode, WeftError } from '../lib/errors.ts';
import { ADMIN_GROUP, audiences, type IssueRequest, type TokenIssuer, type TokenVerifier, type User } from './user.ts';

export interface Tokens extends TokenVerifier, TokenIssuer {
  /** The file with the admin's token, mode 0600. */
  readonly adminTokenFile: string;
}

export interface TokensOptions {
  /** Holds `tokens.key` and `admin.token`; made with mode 0700 when it is missing. */
  dir: string;
  clock: Clock;
}

const ISSUER = 'weft';
const DAY_MS = 24 * 60 * 60 * 1000;
const ADMIN_TTL_MS = 365 * DAY_MS;
const ADMIN_RENEW_MS = 30 * DAY_MS;
const MAX_KNOWN = 256;
const MAX_TOKEN_LENGTH = 8192;

export const openTokens = async ({ dir, clock }: TokensOptions): Promise<Tokens> => {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const key = openKey(join(dir, 'tokens.key'));
  const publicKey = createPublicKey(key);
  const adminTokenFile = join(dir, 'admin.token');
  const tokens: Tokens = {
    adminTokenFile,
    issue: (request) => issue(key, clock, request),
    verify: openVerify(publicKey, clock),
  };
  await keepAdminToken(tokens, clock);
  return tokens;
};

const issue = async (
  key: KeyObject,
  clock: Clock,
  request: IssueRequest,
): Promise<{ token: string; expiresAt: number }> => {
  const issuedAt = Math.floor(clock.now() / 1000);
  const expiresAt = Math.floor((clock.now() + request.ttlMs) / 1000);
  const audience = request.audience ?? audiences.ca;
  const token = await new SignJWT({ groups: request.groups ?? [], ...(request.uid ? { uid: request.uid } : {}) })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
    .setIssuer(ISSUER)
    .setSubject(request.subject)
    .setAudience(typeof audience === 'string' ? audience : [...audience])
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(key);
  return { token, expiresAt: expiresAt * 1000 };
};

interface Verified {
  readonly user: User;
  readonly expiresMs: number;
}

/** Clients show one token with every request; a signature that held is not computed again while the token lives. */
const openVerify = (key: KeyObject, clock: Clock) => {
  const known = new Map<string, Verified>();
  return async (token: string, audience?: string): Promise<User> => {
    if (token.length > MAX_TOKEN_LENGTH) throw malformed('it is too long');
    const id = hash('sha256', token);
    let verified = known.get(id);
    if (!verified || verified.expiresMs <= clock.now()) {
      known.delete(id);
      verified = await verify(key, clock, token);
      if (known.size >= MAX_KNOWN) known.delete(known.keys().next().value!);
      known.set(id, verified);
    }
    const { user } = verified;
    if (audience === undefined || user.audiences.includes(audience)) return user;
    throw new WeftError('TOKEN_AUDIENCE', `the token is for ${user.audiences.join(', ')}, not for ${audience}`, {
      hint: 'use a token that was made for this purpose',
    });
  };
};

const verify = async (key: KeyObject, clock: Clock, token: string): Promise<Verified> => {
  let payload: JWTPayload;
  try {
    const options = { issuer: ISSUER, algorithms: ['ES256'], currentDate: new Date(clock.now()) };
    ({ payload } = await jwtVerify(token, key, { ...options, requiredClaims: ['sub', 'aud', 'exp'] }));
  } catch (error) {
    throw verifyError(error);
  }
  const user: User = {
    name: String(payload.sub),
    ...(typeof payload.uid === 'string' ? { uid: payload.uid } : {}),
    groups: Array.isArray(payload.groups) ? payload.groups.map(String) : [],
    audiences: [payload.aud ?? []].flat(),
  };
  return { user, expiresMs: Number(payload.exp) * 1000 };
};

const verifyError = (error: unknown): WeftError => {
  if (error instanceof errors.JWTExpired) {
    const at = typeof error.payload.exp === 'number' ? ` at ${new Date(error.payload.exp * 1000).toISOString()}` : '';
    return new WeftError('TOKEN_EXPIRED', `the token expired${at}`, { hint: 'get a new token' });
  }
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWTClaimValidationFailed) {
    return new WeftError('TOKEN_UNKNOWN', 'the token was not issued by this control plane', {
      hint: 'use the token or kubeconfig that this control plane wrote',
    });
  }
  return malformed(messageOf(error));
};

const malformed = (why: string): WeftError =>
  new WeftError('TOKEN_MALFORMED', `this is not a token: ${why}`, { hint: 'was it copied whole?' });

/** Keeps the admin's token good for at least a month from now; a missing or strange file is written anew. */
const keepAdminToken = async (tokens: Tokens, clock: Clock): Promise<void> => {
  const present = readIfThere(tokens.adminTokenFile)?.trim();
  const claims = present ? await tokens.verify(present, audiences.api).catch(() => undefined) : undefined;
  if (present && claims?.groups.includes(ADMIN_GROUP) && expiryOf(present) > clock.now() + ADMIN_RENEW_MS) {
    chmodSync(tokens.adminTokenFile, 0o600);
    return;
  }
  const { token } = await tokens.issue({
    subject: 'admin',
    groups: [ADMIN_GROUP],
    audience: audiences.api,
    ttlMs: ADMIN_TTL_MS,
  });
  writeDurably(tokens.adminTokenFile, `${token}\n`, { replace: true });
};

/** Of a token that was verified before. */
const expiryOf = (token: string): number =>
  Number(JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()).exp) * 1000;

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw unreadable(path, messageOf(error), error);
  }
};

const unreadable = (path: string, what: string, cause?: unknown): WeftError =>
  new WeftError('TOKENS_UNREADABLE', `the key for tokens at ${path} can't be used: ${what}`, {
    at: path,
    hint: 'nothing was overwritten; restore the file, or move it away to make a new key (all tokens made so far end with it)',
    cause,
  });

const parseKey = (pem: string): KeyObject => {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new Error('it is not a private key in PEM', { cause });
  }
};

const openKey = (path: string): KeyObject => {
  const pem = readIfThere(path) ?? createKey(path);
  try {
    const key = parseKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('it is not a P-256 key');
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
    return key;
  } catch (error) {
    throw unreadable(path, messageOf(error), error);
  }
};

const createKey = (path: string): string => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeDurably(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), { replace: false });
  return readFileSync(path, 'utf8');
};
