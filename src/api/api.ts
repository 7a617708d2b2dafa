// The API server: Kubernetes' REST conventions over the store, on a TLS port for clients and a plain loopback port for browsers.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Kind } from '../kinds/kind.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { type Random, systemRandom } from '../lib/random.ts';
import type { Store } from '../store/store.ts';
import { BrowserGate } from './browser-gate.ts';
import { customResourceDefinition, openDefinitions } from './crds.ts';
import { Discovery } from './discovery.ts';
import { GarbageCollector } from './garbage-collector.ts';
import { KindIndex } from './kind-index.ts';
import {
  type Address,
  Answers,
  type Certificate,
  closeServer,
  listen,
  openPlainServer,
  openSecureServer,
  secureOptions,
} from './listen.ts';
import { Namespaces } from './namespaces.ts';
import { Objects } from './objects.ts';
import { OpenApi } from './openapi.ts';
import { Resources } from './resources.ts';
import { type ExtraHandler, Router } from './router.ts';
import type { TokenIssuer, TokenVerifier } from './user.ts';

export interface ApiOptions {
  readonly store: Store;
  readonly kinds: readonly Kind[];
  /** The port for clients, by TLS. */
  readonly secure?: Address & Certificate;
  /** The port for browsers on this machine. `hosts`: names besides those of loopback that it may be called by. */
  readonly browser?: Address & { readonly hosts?: readonly string[] };
  readonly tokens: TokenVerifier & TokenIssuer;
  readonly clock: Clock;
  readonly random?: Random;
  readonly log: Log;
  /** Of the product; part of /version. */
  readonly version: string;
  /** Path prefix → handler, e.g. `/weft/v1/flows`; only the admin gets that far. */
  readonly extra?: ReadonlyMap<string, ExtraHandler>;
  /** Folder of static files, served at / on the browser port. */
  readonly page?: string;
  /** A watcher that leaves more than this unread is cut off; 8 MiB unless told otherwise. */
  readonly watchBufferBytes?: number;
  /** How often watchers that asked for it are told where they stand; every minute unless told otherwise. */
  readonly bookmarkMs?: number;
}

export interface Api {
  readonly secure: Address | undefined;
  readonly browser: Address | undefined;
  /** Replaces the TLS port's certificate; connections that are open keep theirs. */
  setSecureContext(certificate: Certificate): void;
  close(): Promise<void>;
}

const buildRouter = async (
  options: ApiOptions,
  track: (end: () => void) => () => void,
  browserUrl: () => string | undefined,
): Promise<{ router: Router; namespaces: Namespaces; collector: GarbageCollector }> => {
  const { store, kinds, clock, tokens, log, version } = options;
  const index = new KindIndex([...kinds, customResourceDefinition]);
  const namespaces = new Namespaces(store, kinds, clock);
  const objects = new Objects(store, clock, namespaces);
  const resources = new Resources({
    store,
    definitions: await openDefinitions(kinds, clock),
    index,
    objects,
    issuer: tokens,
    clock,
    random: options.random ?? systemRandom,
    track,
    maxBufferBytes: options.watchBufferBytes ?? 8 * 1024 * 1024,
    bookmarkMs: options.bookmarkMs ?? 60_000,
  });
  const router = new Router({
    store,
    resources,
    discovery: new Discovery(index),
    openApi: new OpenApi(index, version),
    tokens,
    extra: options.extra ?? new Map(),
    page: options.page,
    browserUrl,
    version,
    log,
  });
  const collector = new GarbageCollector({ store, index, objects, clock, log });
  return { router, namespaces, collector };
};

export const openApi = async (options: ApiOptions): Promise<Api> => {
  const watches = new Set<() => void>();
  const track = (end: () => void) => {
    watches.add(end);
    return () => watches.delete(end);
  };
  let browser: Address | undefined;
  const browserUrl = () => browser && `http://${browser.address}:${browser.port}/`;
  const { router, namespaces, collector } = await buildRouter(options, track, browserUrl);
  await namespaces.resume();
  await collector.start();
  const servers: (Server | SecureServer)[] = [];
  const answers = new Answers();
  const serve = (req: IncomingMessage, res: ServerResponse, gate?: BrowserGate) =>
    answers.add(res, router.handle(req, res, gate));
  const close = async () => {
    for (const end of [...watches]) end();
    await Promise.all(servers.map((server) => closeServer(server, answers, options.clock)));
    await collector.close();
  };
  try {
    let secureServer: SecureServer | undefined;
    let secure: Address | undefined;
    if (options.secure) {
      secureServer = openSecureServer(options.secure, (req, res) => serve(req, res));
      servers.push(secureServer);
      secure = await listen(secureServer, options.secure);
    }
    browser = options.browser && (await openBrowserPort(options, options.browser, serve, servers));
    return {
      secure,
      browser,
      setSecureContext: (certificate) => secureServer?.setSecureContext(secureOptions(certificate)),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

const openBrowserPort = async (
  { tokens }: ApiOptions,
  browser: NonNullable<ApiOptions['browser']>,
  serve: (req: IncomingMessage, res: ServerResponse, gate: BrowserGate) => void,
  servers: (Server | SecureServer)[],
): Promise<Address> => {
  const server = openPlainServer();
  servers.push(server);
  const bound = await listen(server, browser);
  const gate = new BrowserGate({ tokens, hosts: [browser.address, ...(browser.hosts ?? [])], port: bound.port });
  // Only now: no request may get past the gate.
  server.on('request', (req, res) => serve(req, res, gate));
  return bound;
};
