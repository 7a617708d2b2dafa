// Takes a request's URL apart: which resource it is about and with which options. Nothing in it is trusted.
import { badRequest } from './status.ts';

export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly plural: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

export interface Query {
  readonly watch: boolean;
  readonly limit: number | undefined;
  readonly continueToken: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly resourceVersionMatch: string | undefined;
  readonly sendInitialEvents: boolean;
  readonly allowWatchBookmarks: boolean;
  readonly timeoutSeconds: number | undefined;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly dryRun: boolean;
  readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  /** Who writes; the client's own name when unset. */
  readonly fieldManager: string | undefined;
  readonly force: boolean;
  readonly propagationPolicy: string | undefined;
  readonly includeObject: 'None' | 'Metadata' | 'Object';
}

const MAX_URL = 16 * 1024;

export const parseUrl = (url: string): URL => {
  if (url.length > MAX_URL) throw badRequest('the URL is too long');
  try {
    return new URL(url, 'http://localhost');
  } catch {
    throw badRequest('the URL can not be read');
  }
};

export const segmentsOf = (path: string): string[] => {
  try {
    return path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    throw badRequest('the path has a broken percent-encoding');
  }
};

const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);

/** The resource that a path below /api or /apis names; undefined for other paths. */
export const parseResourcePath = (segments: readonly string[]): ResourcePath | undefined => {
  const core = segments[0] === 'api';
  if (!core && segments[0] !== 'apis') return undefined;
  const [group, version, ...rest] = core ? ['', ...segments.slice(1)] : segments.slice(1);
  if (group === undefined || version === undefined || rest.length === 0) return undefined;
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2 && !(core && isNamespaceSubresource(rest));
  const namespace = inNamespace ? rest[1] : undefined;
  const [plural, name, subresource, ...more] = inNamespace ? rest.slice(2) : rest;
  if (plural === undefined || more.length > 0) return undefined;
  return { group, version, namespace, plural, name, subresource };
};

const isNamespaceSubresource = (rest: readonly string[]): boolean =>
  rest.length === 3 && NAMESPACE_SUBRESOURCES.has(rest[2]!);

const isTrue = (text: string | null): boolean => text === 'true' || text === '1';

const naturalOf = (params: URLSearchParams, name: string): number | undefined => {
  const text = params.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,9}$/.test(text)) throw badRequest(`${name} must be a whole number, not "${text}"`);
  return Number(text) || undefined;
};

const oneOf = <T extends string>(params: URLSearchParams, name: string, known: readonly T[], otherwise: T): T => {
  const text = params.get(name);
  if (text === null || text === '') return otherwise;
  const found = known.find((candidate) => candidate === text);
  if (!found) throw badRequest(`${name} must be one of ${known.join(', ')}, not "${text}"`);
  return found;
};

const MAX_FIELD_MANAGER = 128;

const fieldManagerOf = (params: URLSearchParams): string | undefined => {
  const name = params.get('fieldManager') || undefined;
  if (name === undefined) return undefined;
  if (name.length > MAX_FIELD_MANAGER) {
    throw badRequest(`fieldManager has ${name.length} characters, at most ${MAX_FIELD_MANAGER} are allowed`);
  }
  if (/[\p{Cc}\p{Cf}]/u.test(name)) throw badRequest('fieldManager should only contain printable characters');
  return name;
};

export const parseQuery = (params: URLSearchParams): Query => {
  const dryRun = params.getAll('dryRun').filter((text) => text !== '');
  if (dryRun.some((text) => text !== 'All')) throw badRequest(`dryRun must be All, not "${dryRun.join(',')}"`);
  return {
    watch: isTrue(params.get('watch')),
    limit: naturalOf(params, 'limit'),
    continueToken: params.get('continue') || undefined,
    resourceVersion: params.get('resourceVersion') || undefined,
    resourceVersionMatch: params.get('resourceVersionMatch') || undefined,
    sendInitialEvents: isTrue(params.get('sendInitialEvents')),
    allowWatchBookmarks: isTrue(params.get('allowWatchBookmarks')),
    timeoutSeconds: naturalOf(params, 'timeoutSeconds'),
    labelSelector: params.get('labelSelector') ?? '',
    fieldSelector: params.get('fieldSelector') ?? '',
    dryRun: dryRun.length > 0,
    fieldValidation: oneOf(params, 'fieldValidation', ['Strict', 'Warn', 'Ignore'], 'Warn'),
    fieldManager: fieldManagerOf(params),
    force: isTrue(params.get('force')),
    propagationPolicy: params.get('propagationPolicy') || undefined,
    includeObject: oneOf(params, 'includeObject', ['None', 'Metadata', 'Object'], 'Metadata'),
  };
};

/** A resourceVersion as the store counts them. */
export const parseRevision = (text: string): number => {
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`resourceVersion "${text}" is not one of this API`);
  return Number(text);
};
