// The part of the API that the console asks, on a real socket, with what a test wants it to say.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import type { TrafficEvent } from '../../src/model/event.ts';
import type { Stats } from '../../src/telemetry/hub.ts';

export interface FakeWorkload {
  name: string;
  service: string;
  version: string;
  health: string;
}

export interface PageApi {
  readonly url: string;
  services: string[];
  workloads: FakeWorkload[];
  /** Each answer is this status instead, while set. */
  failWith: number | undefined;
  stats: { services: Stats['services'] };
  history: TrafficEvent[];
  /** Sends an event to every open stream. */
  emit(event: TrafficEvent): void;
  /** Ends every open stream. */
  endStreams(): void;
  close(): void;
}

const PAGE = join(import.meta.dirname, '../../src/api/page');
const TYPES: Record<string, string> = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:";

const serviceOf = (name: string) => ({
  metadata: { name, namespace: 'default' },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 9080 }] },
});

const tableOf = (workloads: FakeWorkload[]) => ({
  kind: 'Table',
  columnDefinitions: ['Name', 'Identity', 'Address', 'Health', 'Age'].map((name) => ({ name, type: 'string' })),
  rows: workloads.map(({ name, service, version, health }, i) => ({
    cells: [name, `default/${service}`, `127.0.0.1:${20_000 + i}`, health, '3m'],
    object: { metadata: { name, namespace: 'default', labels: { app: service, version } }, spec: {} },
  })),
});

const sendFile = (response: ServerResponse, name: string) => {
  const type = TYPES[extname(name)];
  if (!type) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': type, 'content-security-policy': POLICY });
  response.end(readFileSync(join(PAGE, name)));
};

export const openPageApi = async (): Promise<PageApi> => {
  const streams = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const json = (value: unknown) => response.end(JSON.stringify(value));
    if (/^\/[a-z-]*(\.[a-z]+)?$/.test(pathname)) return sendFile(response, pathname.slice(1) || 'index.html');
    if (api.failWith !== undefined) return response.writeHead(api.failWith).end();
    if (pathname === '/api/v1/services') return json({ items: api.services.map(serviceOf) });
    if (pathname.endsWith('/workloadentries')) return json(tableOf(api.workloads));
    if (pathname === '/weft/v1/stats') return json(api.stats);
    if (pathname !== '/weft/v1/flows') return response.writeHead(404).end();
    streams.add(response);
    response.on('close', () => streams.delete(response));
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.write(`\n${api.history.map((event) => `${JSON.stringify(event)}\n`).join('')}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const api: PageApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    services: [],
    workloads: [],
    failWith: undefined,
    stats: { services: [] },
    history: [],
    emit: (event) => {
      for (const stream of streams) stream.write(`${JSON.stringify(event)}\n`);
    },
    endStreams: () => {
      for (const stream of streams) stream.destroy();
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return api;
};
