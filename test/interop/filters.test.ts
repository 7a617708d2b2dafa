// The cases of filters, each in both engines: Weft's own proxy and a real Envoy must do the same.
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { backendCases } from '../../src/filters/backend-cases.ts';
import { compressionCases } from '../../src/filters/compression/cases.ts';
import { corsCases } from '../../src/filters/cors/cases.ts';
import { directResponseCases } from '../../src/filters/direct-response/cases.ts';
import type { FilterCase } from '../../src/filters/filter-case.ts';
import { globalRateLimitCases } from '../../src/filters/global-rate-limit/cases.ts';
import { localRateLimitCases } from '../../src/filters/local-rate-limit/cases.ts';
import { mirrorCases } from '../../src/filters/request-mirror/cases.ts';
import { retryCases } from '../../src/filters/retry/cases.ts';
import { sizeLimitCases } from '../../src/filters/size-limits/cases.ts';
import { timeoutCases } from '../../src/filters/timeout/cases.ts';
import type { Endpoint, EndpointSet } from '../../src/model/snapshot.ts';
import { ENGINES, type Engine, openEngine, type SnapshotParts } from '../fakes/each-engine.ts';
import { gatewaySnapshot } from '../fakes/engine-pair.ts';
import { cluster, forward, route } from '../fakes/envoy-mesh.ts';
import { callFilters } from '../fakes/filter-call.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';
import { until } from '../fakes/raw-peer.ts';
import { SteppingProgram } from '../fakes/stepping-program.ts';

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
  timeout: timeoutCases,
  retry: retryCases,
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

const endpoints = (name: string, ...ports: number[]): [string, EndpointSet] => {
  const at = (port: number): Endpoint => ({ address: LOOPBACK, port, mesh: false, weight: 1, health: 'healthy' });
  return [name, { cluster: name, endpoints: ports.map(at) }];
};

/** Nobody listens there. */
const DEAD = 1;

const snapshotOf = (port: number, program: SteppingProgram, other: number): SnapshotParts => ({
  ...gatewaySnapshot(
    port,
    [...cases, { host: SHARED.host, one: { filters: [], action: SHARED.action } }].map(
      ({ host, one: { filters, action } }) => ({
        name: host,
        domains: [host],
        routes: [route({ filters, action: action ?? forward(['program', 1]) })],
      }),
    ),
    [...['program', 'other', 'nowhere', 'half'].map((name) => cluster(name)), cluster('calls', { protocol: 'http2' })],
  ),
  endpoints: new Map([
    endpoints('program', program.port),
    endpoints('other', other),
    endpoints('nowhere', DEAD),
    endpoints('half', DEAD, program.port),
    endpoints('calls', program.http2Port),
  ]),
});

interface Copy {
  readonly url: string;
  readonly host: string;
  readonly body: string;
}

const chosen = (headers: IncomingHttpHeaders, wanted: Readonly<Record<string, string | null>>) =>
  Object.fromEntries(Object.keys(wanted).map((name) => [name, headers[name] ?? null]));

for (const name of ENGINES) {
  describe(`filters in ${name}`, () => {
    let engine: Engine;
    const program = new SteppingProgram();
    let other: FakeServer;
    let copies: Copy[] = [];

    before(async () => {
      await program.open();
      other = await openServer((request, response) => {
        const pieces: Buffer[] = [];
        request
          .on('data', (piece: Buffer) => pieces.push(piece))
          .on('end', () => {
            copies.push({ url: request.url!, host: request.headers.host!, body: Buffer.concat(pieces).toString() });
            response.end();
          });
      });
      engine = await openEngine(name, ['gateway'], (port) => snapshotOf(port('gateway'), program, other.port));
    });
    after(async () => {
      await engine?.close();
      await program.close();
      await other?.close();
    });

    it('backends with filters of their own keep their shares', async () => {
      const calls = 400;
      let moved = 0;
      for (let i = 0; i < calls; i++) {
        const { status } = await callFilters(engine.port('gateway'), SHARED.host, { want: { status: 0 } });
        if (status === 302) moved++;
        else assert.equal(status, 200);
      }
      // Five standard deviations of a quarter.
      assert.ok(Math.abs(moved - calls / 4) < 45, `${moved} of ${calls}`);
    });

    for (const { title, host, one } of cases) {
      it(title, async () => {
        for (const [i, each] of one.calls.entries()) {
          program.forget();
          copies = [];
          const { status, headers, body, cut } = await callFilters(engine.port('gateway'), host, each);
          const { want } = each;
          assert.equal(status, want.status, `status of call ${i}`);
          assert.equal(cut, want.cut ?? false, `call ${i} breaks off`);
          if (want.headers) assert.deepEqual(chosen(headers, want.headers), want.headers, `call ${i}`);
          if (want.body !== undefined) assert.equal(body, want.body);
          const { attempts } = program;
          if (want.reached !== undefined)
            assert.equal(attempts.length > 0, want.reached, `call ${i} reached the program`);
          if (want.attempts !== undefined) assert.equal(attempts.length, want.attempts, `attempts of call ${i}`);
          if (want.receivedBody !== undefined) assert.equal(attempts.at(-1)?.body, want.receivedBody);
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
          if (want.sent)
            assert.deepEqual(chosen(attempts.at(-1)?.headers ?? {}, want.sent), want.sent, `what call ${i} sent on`);
        }
      });
    }
  });
}
