// Reads a kubeconfig, and finds the one that `weft up` wrote. Called by the cli and by whoever opens a client.
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { messageOf, systemCode, WeftError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import type { Connection } from './connection.ts';

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const textIn = (fields: Fields, name: string): string | undefined =>
  typeof fields[name] === 'string' && fields[name] !== '' ? fields[name] : undefined;

const MAX_FILE_BYTES = 1024 * 1024;

/** A small text file, or a WeftError that says why it can't be read. */
const readSmallFile = (path: string, what: string): string => {
  try {
    if (statSync(path).size > MAX_FILE_BYTES) {
      throw new WeftError('CLIENT_BAD_KUBECONFIG', `${what} is larger than 1 MiB`, { at: path });
    }
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof WeftError) throw cause;
    const missing = systemCode(cause) === 'ENOENT';
    throw new WeftError(
      missing ? 'CLIENT_NO_KUBECONFIG' : 'CLIENT_BAD_KUBECONFIG',
      missing ? `${what} does not exist` : `${what} can't be read: ${messageOf(cause)}`,
      {
        at: path,
        cause,
        hint: missing ? 'start the network with "weft up", or name another file' : 'check who owns it',
      },
    );
  }
};

const bad = (file: string, message: string, hint?: string): WeftError =>
  new WeftError('CLIENT_BAD_KUBECONFIG', message, { at: file, ...(hint === undefined ? {} : { hint }) });

const namedEntry = (config: Fields, list: string, name: string, field: string, file: string): Fields => {
  const entries = Array.isArray(config[list]) ? config[list] : [];
  const entry = entries.find((item: unknown) => isFields(item) && item.name === name);
  if (!isFields(entry) || !isFields(entry[field])) throw bad(file, `the kubeconfig has no ${field} "${name}"`);
  return entry[field];
};

const decodeBase64 = (text: string, what: string, file: string): string => {
  const decoded = Buffer.from(text, 'base64').toString('utf8');
  if (decoded.trim() === '') throw bad(file, `${what} is not base64`);
  return decoded;
};

const tokenOf = (user: Fields, file: string): Secret | undefined => {
  const token = textIn(user, 'token');
  if (token !== undefined) return new Secret(token);
  const path = textIn(user, 'tokenFile');
  if (path !== undefined) return new Secret(readSmallFile(resolve(dirname(file), path), 'the token file').trim());
  for (const unsupported of ['exec', 'auth-provider', 'client-certificate', 'client-certificate-data', 'username']) {
    if (user[unsupported] !== undefined) {
      throw bad(file, `the user's "${unsupported}" is not supported`, 'give the user a token or tokenFile');
    }
  }
  return undefined;
};

/** The connection of a kubeconfig's context: `context`, else its current-context. `file` is for messages and paths. */
export const parseKubeconfig = (text: string, file: string, context?: string): Connection => {
  let config: unknown;
  try {
    config = parse(text, { maxAliasCount: 0 });
  } catch (cause) {
    throw new WeftError('CLIENT_BAD_KUBECONFIG', `the kubeconfig is not YAML: ${messageOf(cause).split('\n')[0]}`, {
      at: file,
      cause,
    });
  }
  if (!isFields(config)) throw bad(file, 'the kubeconfig is empty or not an object');
  const name = context ?? textIn(config, 'current-context');
  if (name === undefined) throw bad(file, 'the kubeconfig has no current-context', 'name one with --context');
  const chosen = namedEntry(config, 'contexts', name, 'context', file);
  const cluster = namedEntry(config, 'clusters', textIn(chosen, 'cluster') ?? '', 'cluster', file);
  const user = namedEntry(config, 'users', textIn(chosen, 'user') ?? '', 'user', file);
  const server = textIn(cluster, 'server');
  if (server === undefined || !URL.canParse(server))
    throw bad(file, `cluster of context "${name}" has no valid server`);
  if (cluster['insecure-skip-tls-verify'] === true) {
    throw bad(file, 'insecure-skip-tls-verify is not supported', 'give the certificate-authority instead');
  }
  const caData = textIn(cluster, 'certificate-authority-data');
  const caPath = textIn(cluster, 'certificate-authority');
  const caPem = caData
    ? decodeBase64(caData, 'certificate-authority-data', file)
    : caPath && readSmallFile(resolve(dirname(file), caPath), 'the certificate authority');
  const token = tokenOf(user, file);
  const namespace = textIn(chosen, 'namespace');
  return {
    server,
    origin: file,
    ...(caPem ? { caPem } : {}),
    ...(token ? { token } : {}),
    ...(namespace ? { namespace } : {}),
  };
};

export interface ConnectionSource {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly kubeconfig?: string;
  readonly dataDir?: string;
  readonly context?: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Where state is kept unless `--data-dir` says otherwise: $WEFT_DATA_DIR, $XDG_DATA_HOME/weft, ~/.local/share/weft. */
export const defaultDataDir = (env: Env): string =>
  env.WEFT_DATA_DIR || join(env.XDG_DATA_HOME || join(env.HOME || homedir(), '.local', 'share'), 'weft');

const configFile = (env: Env): string =>
  join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'weft', 'kubeconfig');

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** The kubeconfig to use: the flags, $WEFT_DATA_DIR, $KUBECONFIG, the config folder's, the one `weft up` wrote. */
export const findKubeconfig = (source: ConnectionSource, env: Env): string => {
  if (source.kubeconfig) return source.kubeconfig;
  const dataDir = source.dataDir ?? env.WEFT_DATA_DIR;
  if (dataDir) return join(dataDir, 'kubeconfig');
  const listed = (env.KUBECONFIG ?? '').split(delimiter).filter((path) => path !== '');
  if (listed.length) return listed.find(exists) ?? listed[0]!;
  const candidates = [configFile(env), join(defaultDataDir(env), 'kubeconfig')];
  const found = candidates.find(exists);
  if (found) return found;
  throw new WeftError('CLIENT_NO_KUBECONFIG', 'no network is known on this machine yet', {
    at: candidates[1]!,
    hint: 'start one with "weft up", or name another with --kubeconfig or --data-dir',
  });
};

/** The connection that flags and environment ask for. */
export const findConnection = (source: ConnectionSource, env: Env): Connection => {
  if (!source.server) {
    if (source.tokenFile || source.caFile) {
      throw new WeftError('USAGE', '--token-file and --ca-file need --server', {
        hint: 'add --server https://HOST:7443',
      });
    }
    const file = findKubeconfig(source, env);
    return parseKubeconfig(readSmallFile(file, 'the kubeconfig'), file, source.context);
  }
  if (!URL.canParse(source.server)) {
    throw new WeftError('USAGE', `--server "${source.server}" is not a URL`, { hint: 'write it as https://HOST:7443' });
  }
  return {
    server: source.server,
    origin: '--server',
    ...(source.caFile ? { caPem: readSmallFile(source.caFile, 'the CA file') } : {}),
    ...(source.tokenFile ? { token: new Secret(readSmallFile(source.tokenFile, 'the token file').trim()) } : {}),
  };
};
