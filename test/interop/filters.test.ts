// The cases of filters, each in both engines: Weft's own proxy and a real Envoy must do the same.
import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { corsCases } from '../../src/filters/cors/cases.ts';
import type { FilterCall, FilterCase } from '../../src/filters/filter-case.ts';
import { ENGINES, type Engine, openEngine, type SnapshotParts } from '../fakes/each-engine.ts';
import { gatewaySnapshot } from '../fakes/engine-pair.ts';
import { cluster, forward, route } from '../fakes/envoy-mesh.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';

const LOOPBACK = '127.0.0.1';
const FOLDERS: Readonly<Record<string, Readonly<Record<string, FilterCase>>>> = { cors: corsCases };

const cases = Object.entries(FOLDERS).flatMap(([folder, list]) =>
  Object.entries(list).map(([title, one], i) => ({ title: `${folder}: ${title}`, host: `${folder}-${i}.test`, one })),
);

const snapshotOf = (port: number, program: number): SnapshotParts => ({
  ...gatewaySnapshot(
    port,
    cases.map(({ host, one: { filters, action } }) => ({
      name: host,
      domains: [host],
      routes: [route({ filters, action: action ?? forward(['program', 1]) })],
    })),
    [cluster('program')],
  ),
  endpoints: new Map([
    [
      'program',
      {
        cluster: 'program',
        endpoints: [{ address: LOOPBACK, port: program, mesh: false, weight: 1, health: 'healthy' }],
      },
    ],
  ]),
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const call = (port: number, host: string, { method = 'GET', path = '/', headers = [], program = {} }: FilterCall) =>
  new Promise<Answer>((resolve, reject) => {
    const sent = ['host', host, 'x-program', JSON.stringify(program), ...headers];
    const asked = httpRequest({ host: LOOPBACK, port, path, method, headers: sent, agent: false, setHost: false });
    asked.on('error', reject).on('response', (response) => {
      const pieces: Buffer[] = [];
      response.on('error', reject).on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces).toString() }),
      );
    });
    asked.end();
  });

const chosen = (headers: IncomingHttpHeaders, wanted: Readonly<Record<string, string | null>>) =>
  Object.fromEntries(Object.keys(wanted).map((name) => [name, headers[name] ?? null]));

for (const name of ENGINES) {
  describe(`filters in ${name}`, () => {
    let engine: Engine;
    let program: FakeServer;
    let seen: IncomingHttpHeaders | undefined;

    before(async () => {
      program = await openServer((request, response) => {
        seen = request.headers;
        const { status = 200, headers = [] } = JSON.parse(String(request.headers['x-program'] ?? '{}'));
        response.writeHead(status, ['content-length', '2', ...headers]).end('ok');
      });
      engine = await openEngine(name, ['gateway'], (port) => snapshotOf(port('gateway'), program.port));
    });
    after(async () => {
      await engine?.close();
      await program?.close();
    });

    for (const { title, host, one } of cases) {
      it(title, async () => {
        for (const [i, each] of one.calls.entries()) {
          seen = undefined;
          const { status, headers, body } = await call(engine.port('gateway'), host, each);
          const { want } = each;
          assert.equal(status, want.status, `status of call ${i}`);
          if (want.headers) assert.deepEqual(chosen(headers, want.headers), want.headers, `call ${i}`);
          if (want.body !== undefined) assert.equal(body, want.body);
          if (want.reached !== undefined)
            assert.equal(seen !== undefined, want.reached, `call ${i} reached the program`);
          if (want.sent) assert.deepEqual(chosen(seen ?? {}, want.sent), want.sent, `what call ${i} sent on`);
        }
      });
    }
  });
}
