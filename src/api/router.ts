// From a request to its answer: who asks, what for, and which part of the API answers. Shared by both ports.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../lib/log.ts';
import type { Store } from '../store/store.ts';
import { sendError, sendJson, sendText } from './answer.ts';
import { type BrowserGate, unauthorized } from './browser-gate.ts';
import type { Discovery } from './discovery.ts';
import { negotiate } from './negotiate.ts';
import type { OpenApi } from './openapi.ts';
import { parseQuery, parseResourcePath, parseUrl, segmentsOf } from './request.ts';
import type { Resources } from './resources.ts';
import { sendFile } from './static-files.ts';
import { ApiError, apiErrorOf, forbidden } from './status.ts';
import { audiences, isAdmin, type TokenVerifier, type User } from './user.ts';

/** Answers what lies below a path that is not the API's own, for a user who was authenticated before. */
export type ExtraHandler = (req: IncomingMessage, res: ServerResponse, user: User) => void;

export interface RouterOptions {
  readonly store: Store;
  readonly resources: Resources;
  readonly discovery: Discovery;
  readonly openApi: OpenApi;
  readonly tokens: TokenVerifier;
  readonly extra: ReadonlyMap<string, ExtraHandler>;
  /** Folder of the console; served on the browser port. */
  readonly page: string | undefined;
  /** Where a browser finds the page that strays to the TLS port. */
  readonly browserUrl: () => string | undefined;
  readonly version: string;
  readonly log: Log;
}

const HEALTH = new Set(['/healthz', '/livez', '/readyz']);

export class Router {
  readonly #options: RouterOptions;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** `gate` is given on the browser port. Never throws. */
  async handle(req: IncomingMessage, res: ServerResponse, gate?: BrowserGate): Promise<void> {
    try {
      await this.#route(req, res, gate);
    } catch (error) {
      // Who has gone needs no answer.
      if (!req.destroyed || !res.destroyed) sendError(req, res, error, this.#options.log);
    }
  }

  async #route(req: IncomingMessage, res: ServerResponse, gate: BrowserGate | undefined): Promise<void> {
    const url = parseUrl(req.url ?? '/');
    gate?.checkSource(req);
    if (await this.#public(url, req, res, !gate)) return;
    if (await gate?.enter(url, res)) return;
    const user = await this.#user(req, res, gate);
    if (!user) return;
    if (this.#extra(url, req, res, user)) return;
    if (req.method === 'GET' && this.#documents(url, req, res)) return;
    const segments = segmentsOf(url.pathname);
    const path = parseResourcePath(segments);
    if (path) return this.#options.resources.handle(req, res, path, parseQuery(url.searchParams), user);
    const { page } = this.#options;
    if (gate && page !== undefined && req.method === 'GET' && (await sendFile(page, segments, res))) return;
    throw new ApiError(404, 'NotFound', `the server could not find the requested resource: ${url.pathname}`);
  }

  async #public(url: URL, req: IncomingMessage, res: ServerResponse, secure: boolean): Promise<boolean> {
    if (req.method !== 'GET' && req.method !== 'HEAD') return false;
    if (HEALTH.has(url.pathname)) {
      // A store that can not read is not ready, and says so by the error.
      await this.#options.store.get('/core/namespaces//default');
      sendText(res, 200, 'ok', 'text/plain; charset=utf-8');
      return true;
    }
    const isPage = url.pathname === '/' && req.headers.accept?.includes('text/html');
    const page = secure && isPage ? this.#options.browserUrl() : undefined;
    if (page) {
      res.writeHead(303, { location: page, 'content-length': 0 }).end();
      return true;
    }
    if (url.pathname !== '/version') return false;
    const gitVersion = `v1.32.0+weft-${this.#options.version}`;
    const platform = `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`;
    const empty = { gitCommit: '', gitTreeState: 'clean', buildDate: '1970-01-01T00:00:00Z' };
    sendJson(res, 200, { major: '1', minor: '32', gitVersion, ...empty, goVersion: '', compiler: '', platform });
    return true;
  }

  /** Undefined when the request has been refused with a page. */
  async #user(req: IncomingMessage, res: ServerResponse, gate: BrowserGate | undefined): Promise<User | undefined> {
    const bearer = /^bearer\s+(\S+)\s*$/i.exec(req.headers.authorization ?? '')?.[1];
    if (bearer !== undefined) {
      const user = await this.#options.tokens.verify(bearer);
      // A token for something else names its bearer, but carries no rights here.
      return user.audiences.includes(audiences.api)
        ? user
        : { ...user, groups: user.groups.filter((g) => g !== 'system:masters') };
    }
    if (!gate) throw unauthorized('a bearer token is needed: send "Authorization: Bearer <token>"');
    try {
      const user = await gate.userOfCookie(req);
      if (user) return user;
    } catch (error) {
      const known = apiErrorOf(error);
      if (known?.code !== 401) throw error;
      gate.refuse(req, res, known);
      return undefined;
    }
    gate.refuse(
      req,
      res,
      unauthorized('a token is needed: open the link that "weft up" printed, or send "Authorization: Bearer <token>"'),
    );
    return undefined;
  }

  #extra(url: URL, req: IncomingMessage, res: ServerResponse, user: User): boolean {
    for (const [given, handler] of this.#options.extra) {
      const prefix = given.replace(/\/$/, '');
      if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) continue;
      if (!isAdmin(user)) throw forbidden(`User "${user.name}" cannot use ${prefix}`);
      // Streams may be silent for long.
      req.socket.setTimeout(0);
      handler(req, res, user);
      return true;
    }
    return false;
  }

  #documents(url: URL, req: IncomingMessage, res: ServerResponse): boolean {
    const { discovery, openApi } = this.#options;
    const path = url.pathname.replace(/\/$/, '');
    if (path === '/api' || path === '/apis') {
      this.#sendRoot(path === '/api' ? 'api' : 'apis', req, res);
      return true;
    }
    if (path === '/openapi/v3') {
      sendJson(res, 200, openApi.root());
      return true;
    }
    if (path === '/openapi/v2') {
      negotiate(req.headers.accept, ['object']);
      sendText(res, 200, openApi.v2(), 'application/json');
      return true;
    }
    if (path.startsWith('/openapi/v3/')) {
      const document = openApi.document(path.slice('/openapi/v3/'.length));
      if (document === undefined) return false;
      sendText(res, 200, document, 'application/json');
      return true;
    }
    const [, root, first = '', second] = path.split('/');
    const found =
      root === 'api' && second === undefined
        ? discovery.resources('', first)
        : root === 'apis' && path.split('/').length <= 4
          ? second === undefined
            ? discovery.group(first)
            : discovery.resources(first, second)
          : undefined;
    if (found) sendJson(res, 200, found);
    else if (path.split('/').length <= (root === 'api' ? 3 : 4) && (root === 'api' || root === 'apis'))
      this.#unknownGroup(path);
    return found !== undefined;
  }

  #unknownGroup(path: string): never {
    const served = this.#options.discovery.served().join(', ');
    throw new ApiError(404, 'NotFound', `the server could not find ${path}; served are ${served}`);
  }

  #sendRoot(root: 'api' | 'apis', req: IncomingMessage, res: ServerResponse): void {
    const { discovery } = this.#options;
    const { form, version } = negotiate(req.headers.accept, ['object', 'discovery']);
    if (form !== 'discovery') {
      sendJson(res, 200, root === 'api' ? discovery.coreVersions() : discovery.groupList());
      return;
    }
    const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    sendJson(res, 200, discovery.aggregated(root, version), type);
  }
}
