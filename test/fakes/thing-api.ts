// A real API over a memory store with a made-up kind, and how tests talk to its browser port.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Api, type ApiOptions, openApi } from '../../src/api/api.ts';
import { openTokens, type Tokens } from '../../src/api/tokens.ts';
import type { Kind } from '../../src/kinds/kind.ts';
import { kinds } from '../../src/kinds/registry.ts';
import { silentLog } from '../../src/lib/log.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import { type Store, storeKey } from '../../src/store/store.ts';
import { FakeClock } from './clock.ts';

export const thingKind: Kind = {
  group: 'example.dev',
  version: 'v1',
  alsoServed: ['v1beta1'],
  kind: 'Thing',
  plural: 'things',
  singular: 'thing',
  shortNames: ['tg'],
  namespaced: true,
  statusSubresource: true,
  schema: {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        required: ['size'],
        properties: {
          size: { type: 'integer', minimum: 0, description: 'How large it is.' },
          color: { type: 'string', default: 'grey' },
          parts: {
            type: 'array',
            items: { type: 'object', properties: { name: { type: 'string' }, n: { type: 'integer' } } },
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['name'],
          },
          free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
      },
      status: { type: 'object', properties: { phase: { type: 'string' } } },
    },
  },
  columns: [
    { name: 'Size', type: 'integer', value: (resource) => (resource.spec as { size: number }).size },
    { name: 'Color', type: 'string', wide: true, value: (resource) => (resource.spec as { color: string }).color },
  ],
};

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into JSON of many shapes
  readonly json: any;
}

export interface Ask {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Absent: the admin's. Empty: none. */
  readonly token?: string;
}

export interface ThingApi {
  readonly api: Api;
  readonly store: Store;
  readonly tokens: Tokens;
  readonly clock: FakeClock;
  readonly adminToken: string;
  readonly port: number;
  ask(path: string, ask?: Ask): Promise<Answer>;
  /** Opens a request and hands over its answer as it streams. */
  open(path: string, ask?: Ask): Promise<IncomingMessage>;
  close(): Promise<void>;
}

const encode = (body: unknown): string | Buffer =>
  typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);

const send = (port: number, adminToken: string, path: string, ask: Ask): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const { method = 'GET', body, headers = {}, token = adminToken } = ask;
    const bytes = body === undefined ? undefined : encode(body);
    const outgoing = request({
      host: '127.0.0.1',
      port,
      path,
      method,
      agent: false,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(bytes === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) }),
        ...headers,
      },
    });
    outgoing.on('response', resolve).on('error', reject);
    outgoing.end(bytes);
  });

const readAnswer = async (response: IncomingMessage): Promise<Answer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const isJson = (response.headers['content-type'] ?? '').startsWith('application/json');
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
};

/** With the namespaces `default` and `other`. */
export const openThingApi = async (options: Partial<ApiOptions> = {}): Promise<ThingApi> => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-api-'));
  const clock = new FakeClock();
  const store = options.store ?? openMemoryStore();
  for (const name of ['default', 'other']) {
    await store.put(storeKey('', 'namespaces', '', name), { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  const tokens = await openTokens({ dir, clock });
  const adminToken = readFileSync(tokens.adminTokenFile, 'utf8').trim();
  const api = await openApi({
    store,
    kinds: [...kinds, thingKind],
    browser: { address: '127.0.0.1', port: 0 },
    tokens,
    clock,
    log: silentLog,
    version: '0.0.0',
    ...options,
  });
  const port = api.browser!.port;
  return {
    api,
    store,
    tokens,
    clock,
    adminToken,
    port,
    ask: async (path, ask = {}) => readAnswer(await send(port, adminToken, path, ask)),
    open: (path, ask = {}) => send(port, adminToken, path, ask),
    async close() {
      await api.close();
      await store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

export const THINGS = '/apis/example.dev/v1/namespaces/default/things';

export const thing = (
  name: string,
  spec: Record<string, unknown> = { size: 1 },
  metadata: Record<string, unknown> = {},
) => ({
  apiVersion: 'example.dev/v1',
  kind: 'Thing',
  metadata: { name, ...metadata },
  spec,
});
