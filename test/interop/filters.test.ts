// The cases of filters, each in both engines: Weft's own proxy and a real Envoy must do the same.
import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { backendCases } from '../../src/filters/backend-cases.ts';
import { compressionCases } from '../../src/filters/compression/cases.ts';
import { corsCases } from '../../src/filters/cors/cases.ts';
import { directResponseCases } from '../../src/filters/direct-response/cases.ts';
import type { FilterCall, FilterCase } from '../../src/filters/filter-case.ts';
import { globalRateLimitCases } from '../../src/filters/global-rate-limit/cases.ts';
import { localRateLimitCases } from '../../src/filters/local-rate-limit/cases.ts';
import { mirrorCases } from '../../src/filters/request-mirror/cases.ts';
import { sizeLimitCases } from '../../src/filters/size-limits/cases.ts';
import type { EndpointSet } from '../../src/model/snapshot.ts';
import { ENGINES, type Engine, openEngine, type SnapshotParts } from '../fakes/each-engine.ts';
import { gatewaySnapshot } from '../fakes/engine-pair.ts';
import { cluster, forward, route } from '../fakes/envoy-mesh.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';
import { until } from '../fakes/raw-peer.ts';

const LOOPBACK = '127.0.0.1';
const FOLDERS: Readonly<Record<string, Readonly<Record<string, FilterCase>>>> = {
  'of-a-backend': backendCases,
  cors: corsCases,
  compression: compressionCases,
  'direct-response': directResponseCases,
  'request-mirror': mirrorCases,
  'global-rate-limit': globalRateLimitCases,
  'local-rate-limit': localRateLimitCases,
  'size-limits': sizeLimitCases,
};

const cases = Object.entries(FOLDERS).flatMap(([folder, list]) =>
  Object.entries(list).map(([title, one], i) => ({ title: `${folder}: ${title}`, host: `${folder}-${i}.test`, one })),
);

/** Two backends that differ in more than their clusters, three to one. */
const SHARED = {
  host: 'shares.test',
  action: {
    type: 'forward',
    targets: [
      { cluster: 'program', weight: 3, filters: [] },
      { cluster: 'program', weight: 1, filters: [], redirect: { type: 'redirect', status: 302, host: 'moved.test' } },
    ],
  },
} as const;

const endpoints = (name: string, port: number): [string, EndpointSet] => [
  name,
  { cluster: name, endpoints: [{ address: LOOPBACK, port, mesh: false, weight: 1, health: 'healthy' }] },
];

const snapshotOf = (port: number, program: number, other: number): SnapshotParts => ({
  ...gatewaySnapshot(
    port,
    [...cases, { host: SHARED.host, one: { filters: [], action: SHARED.action } }].map(
      ({ host, one: { filters, action } }) => ({
        name: host,
        domains: [host],
        routes: [route({ filters, action: action ?? forward(['program', 1]) })],
      }),
    ),
    ['program', 'other', 'nowhere'].map((name) => cluster(name)),
  ),
  endpoints: new Map([endpoints('program', program), endpoints('other', other), endpoints('nowhere', 1)]),
});

interface Copy {
  readonly url: string;
  readonly host: string;
  readonly body: string;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};

const decoded = (bytes: Buffer, encoding = ''): string => (DECODERS[encoding]?.(bytes) ?? bytes).toString();

const call = (
  port: number,
  host: string,
  { method = 'GET', path = '/', headers = [], body, chunked, program = {} }: FilterCall,
) =>
  new Promise<Answer>((resolve, reject) => {
    const sized = chunked
      ? ['transfer-encoding', 'chunked']
      : ['content-length', String(Buffer.byteLength(body ?? ''))];
    const length = body === undefined ? [] : sized;
    const sent = ['host', host, 'x-program', JSON.stringify(program), ...length, ...headers];
    const asked = httpRequest({ host: LOOPBACK, port, path, method, headers: sent, agent: false, setHost: false });
    asked.on('error', reject).on('response', (response) => {
      const pieces: Buffer[] = [];
      response.on('error', reject).on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: decoded(Buffer.concat(pieces), response.headers['content-encoding']),
        }),
      );
    });
    asked.end(body);
  });

const chosen = (headers: IncomingHttpHeaders, wanted: Readonly<Record<string, string | null>>) =>
  Object.fromEntries(Object.keys(wanted).map((name) => [name, headers[name] ?? null]));

for (const name of ENGINES) {
  describe(`filters in ${name}`, () => {
    let engine: Engine;
    let program: FakeServer;
    let other: FakeServer;
    let seen: IncomingHttpHeaders | undefined;
    let copies: Copy[] = [];

    before(async () => {
      program = await openServer((request, response) => {
        seen = request.headers;
        const {
          status = 200,
          headers = [],
          body = 'ok',
          length,
        } = JSON.parse(String(request.headers['x-program'] ?? '{}')) as NonNullable<FilterCall['program']>;
        const sized = length === false ? [] : ['content-length', String(Buffer.byteLength(body))];
        request.resume().on('end', () => response.writeHead(status, [...sized, ...headers]).end(body));
      });
      other = await openServer((request, response) => {
        const pieces: Buffer[] = [];
        request
          .on('data', (piece: Buffer) => pieces.push(piece))
          .on('end', () => {
            copies.push({ url: request.url!, host: request.headers.host!, body: Buffer.concat(pieces).toString() });
            response.end();
          });
      });
      engine = await openEngine(name, ['gateway'], (port) => snapshotOf(port('gateway'), program.port, other.port));
    });
    after(async () => {
      await engine?.close();
      await program?.close();
      await other?.close();
    });

    it('backends with filters of their own keep their shares', async () => {
      const calls = 400;
      let moved = 0;
      for (let i = 0; i < calls; i++) {
        const { status } = await call(engine.port('gateway'), SHARED.host, { want: { status: 0 } });
        if (status === 302) moved++;
        else assert.equal(status, 200);
      }
      // Five standard deviations of a quarter.
      assert.ok(Math.abs(moved - calls / 4) < 45, `${moved} of ${calls}`);
    });

    for (const { title, host, one } of cases) {
      it(title, async () => {
        for (const [i, each] of one.calls.entries()) {
          seen = undefined;
          copies = [];
          const { status, headers, body } = await call(engine.port('gateway'), host, each);
          const { want } = each;
          assert.equal(status, want.status, `status of call ${i}`);
          if (want.headers) assert.deepEqual(chosen(headers, want.headers), want.headers, `call ${i}`);
          if (want.body !== undefined) assert.equal(body, want.body);
          if (want.reached !== undefined)
            assert.equal(seen !== undefined, want.reached, `call ${i} reached the program`);
          const { copies: wanted } = want;
          if (wanted) {
            await until(() => copies.length >= wanted.length, 'the copies come');
            assert.deepEqual(
              copies.map((copy, k) =>
                Object.fromEntries(Object.keys(wanted[k] ?? copy).map((key) => [key, copy[key as keyof Copy]])),
              ),
              wanted,
            );
          }
          if (want.sent) assert.deepEqual(chosen(seen ?? {}, want.sent), want.sent, `what call ${i} sent on`);
        }
      });
    }
  });
}
