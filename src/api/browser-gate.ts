// The browser port's own rules: loopback names only (DNS rebinding), no foreign origins, a cookie in place of a header.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendText } from './answer.ts';
import { PAGE_HEADERS } from './static-files.ts';
import { ApiError, forbidden } from './status.ts';
import { audiences, isAdmin, type TokenIssuer, type TokenVerifier, type User } from './user.ts';

export interface BrowserGateOptions {
  readonly tokens: TokenVerifier & TokenIssuer;
  /** Names besides those of loopback that the port may be called by. */
  readonly hosts: readonly string[];
  /** Part of the cookie's name: cookies do not tell ports apart. */
  readonly port: number;
}

const SESSION_MS = 7 * 24 * 60 * 60 * 1000;

const isLoopbackName = (name: string): boolean =>
  name === 'localhost' ||
  name.endsWith('.localhost') ||
  name === '[::1]' ||
  /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);

const HOW_TO_OPEN = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Weft</title>
<p>This page needs a token.</p>
<p>Open the link that <code>weft up</code> printed; it has the token in it and is needed once per browser.</p>
</html>
`;

export class BrowserGate {
  readonly #options: BrowserGateOptions;
  readonly #cookie: string;

  constructor(options: BrowserGateOptions) {
    this.#options = options;
    this.#cookie = `weft_session_${options.port}`;
  }

  /** Throws 403 for what another site, or a name that only pretends to be this machine, may have sent. */
  checkSource(req: IncomingMessage): void {
    const host = (req.headers.host ?? '').toLowerCase();
    const name = host.replace(/:\d+$/, '');
    if (!isLoopbackName(name) && !this.#options.hosts.includes(name)) {
      throw forbidden(`the host name "${name}" is not one of this API; use 127.0.0.1 or localhost`);
    }
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    const { origin } = req.headers;
    if (!isRead && origin !== undefined && origin.toLowerCase() !== `http://${host}`) {
      throw forbidden(`a page of ${origin} may not change anything here`);
    }
  }

  /** Trades `?token=` for a cookie. True when the request was answered. */
  async enter(url: URL, res: ServerResponse): Promise<boolean> {
    const token = url.searchParams.get('token');
    if (url.pathname !== '/' || token === null) return false;
    const user = await this.#verify(token);
    const session = await this.#options.tokens.issue({
      subject: user.name,
      groups: user.groups,
      audience: audiences.browser,
      ttlMs: SESSION_MS,
    });
    const attributes = `Path=/; Max-Age=${SESSION_MS / 1000}; HttpOnly; SameSite=Strict`;
    res.writeHead(303, {
      ...PAGE_HEADERS,
      location: '/',
      'set-cookie': `${this.#cookie}=${session.token}; ${attributes}`,
      'content-length': 0,
    });
    res.end();
    return true;
  }

  async #verify(token: string): Promise<User> {
    const user = await this.#options.tokens.verify(token);
    const isForHere = user.audiences.includes(audiences.api) || user.audiences.includes(audiences.link);
    if (!isForHere || !isAdmin(user)) throw forbidden(`the token of ${user.name} does not open this page`);
    return user;
  }

  /** The user of the cookie; undefined without one. */
  async userOfCookie(req: IncomingMessage): Promise<User | undefined> {
    const token = cookieOf(req, this.#cookie);
    if (token === undefined) return undefined;
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    const site = req.headers['sec-fetch-site'];
    // Pages of other local ports are "same-site" and send the cookie along; they have no business here.
    if (site !== undefined && site !== 'same-origin' && site !== 'none') {
      throw forbidden('a page of another origin may not use this session');
    }
    if (!isRead && req.headers.origin === undefined) throw forbidden('a change by cookie must say its origin');
    return this.#options.tokens.verify(token, audiences.browser);
  }

  /** Says how to get in: a page for people, 401 for programs. */
  refuse(req: IncomingMessage, res: ServerResponse, error: ApiError): void {
    if (!(req.headers.accept ?? '').includes('text/html')) throw error;
    res.setHeader('content-security-policy', PAGE_HEADERS['content-security-policy']);
    sendText(res, error.code, HOW_TO_OPEN, 'text/html; charset=utf-8');
  }
}

const cookieOf = (req: IncomingMessage, name: string): string | undefined => {
  for (const part of (req.headers.cookie ?? '').split(';')) {
    const [key, value] = part.trim().split('=', 2);
    if (key === name && value) return value;
  }
  return undefined;
};

export const unauthorized = (why: string): ApiError => new ApiError(401, 'Unauthorized', why);
