// The cases of filters, each in both engines: Weft's own proxy and a real Envoy must do the same.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openLogFiles } from '../../src/app/log-files.ts';
import { accessLogCases } from '../../src/filters/access-log/cases.ts';
import { backendCases } from '../../src/filters/backend-cases.ts';
import { backendTlsCases } from '../../src/filters/backend-tls/cases.ts';
import { compressionCases } from '../../src/filters/compression/cases.ts';
import { corsCases } from '../../src/filters/cors/cases.ts';
import { directResponseCases } from '../../src/filters/direct-response/cases.ts';
import { endpointOverrideCases } from '../../src/filters/endpoint-override/cases.ts';
import { externalAuthCases } from '../../src/filters/external-auth/cases.ts';
import type { FilterCall, FilterCase } from '../../src/filters/filter-case.ts';
import { globalRateLimitCases } from '../../src/filters/global-rate-limit/cases.ts';
import { hashAffinityCases } from '../../src/filters/hash-affinity/cases.ts';
import { localRateLimitCases } from '../../src/filters/local-rate-limit/cases.ts';
import { mirrorCases } from '../../src/filters/request-mirror/cases.ts';
import { retryCases } from '../../src/filters/retry/cases.ts';
import { sessionAffinityCases } from '../../src/filters/session-affinity/cases.ts';
import { sizeLimitCases } from '../../src/filters/size-limits/cases.ts';
import { timeoutCases } from '../../src/filters/timeout/cases.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import type { Route } from '../../src/model/route.ts';
import type { Endpoint, EndpointSet, Listener } from '../../src/model/snapshot.ts';
import { type AuthServers, askedPart, openAuthServers } from '../fakes/auth-servers.ts';
import { ENGINES, type Engine, openEngine, type SnapshotParts } from '../fakes/each-engine.ts';
import { gatewaySnapshot } from '../fakes/engine-pair.ts';
import { cluster, forward, route } from '../fakes/envoy-mesh.ts';
import { callFilters } from '../fakes/filter-call.ts';
import { type FilterPrograms, openFilterPrograms } from '../fakes/filter-programs.ts';
import { assertLines, chosen, fitting, keep, takenAlong, withAddresses } from '../fakes/filter-wants.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';
import { until } from '../fakes/raw-peer.ts';
import { SteppingProgram } from '../fakes/stepping-program.ts';

const LOOPBACK = '127.0.0.1';
const FOLDERS: Readonly<Record<string, Readonly<Record<string, FilterCase>>>> = {
  'of-a-backend': backendCases,
  cors: corsCases,
  compression: compressionCases,
  'direct-response': directResponseCases,
  'external-auth': externalAuthCases,
  'request-mirror': mirrorCases,
  'global-rate-limit': globalRateLimitCases,
  'local-rate-limit': localRateLimitCases,
  'session-affinity': sessionAffinityCases,
  'endpoint-override': endpointOverrideCases,
  'hash-affinity': hashAffinityCases,
  'size-limits': sizeLimitCases,
  'backend-tls': backendTlsCases,
  'access-log': accessLogCases,
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

/** Clusters of a case are of its host. */
const clusterName = (host: string, { clusters = {} }: FilterCase, name: string): string =>
  Object.hasOwn(clusters, name) ? `${host}/${name}` : name;

const routeOf = ({ host, one }: (typeof cases)[number]): Route => {
  const action = one.action ?? forward(['program', 1]);
  const named =
    action.type === 'forward'
      ? {
          ...action,
          targets: action.targets.map((target) => ({ ...target, cluster: clusterName(host, one, target.cluster) })),
        }
      : action;
  return route({ filters: one.filters, action: named, ...(one.name && { name: one.name }) });
};

interface Programs extends FilterPrograms {
  readonly program: SteppingProgram;
  readonly other: number;
  readonly auth: AuthServers;
}

const clustersOf = (programs: Programs) =>
  cases.flatMap(({ host, one }) =>
    Object.entries(one.clusters ?? {}).map(([name, { to, ...rest }]) => ({
      cluster: cluster(`${host}/${name}`, rest),
      endpoints: to.map((program) => programs.endpoint(program)),
    })),
  );

const logPath = (folder: string, host: string, i: number): string => join(folder, `${host}-${i}`);

/** With access logs a case has a listener of its own, of its host's name. */
const logging = cases.filter(({ one }) => one.logs);

const snapshotOf = (port: (listener: string) => number, programs: Programs, folder: string): SnapshotParts => {
  const hosts = [...cases, { title: '', host: SHARED.host, one: { filters: [], action: SHARED.action, calls: [] } }];
  const own = clustersOf(programs);
  const { program } = programs;
  const base = gatewaySnapshot(
    port('gateway'),
    hosts.map((one) => ({ name: one.host, domains: [one.host], routes: [routeOf(one)] })),
    [
      ...['program', 'other', 'nowhere', 'half', 'auth-http'].map((name) => cluster(name)),
      cluster('calls', { protocol: 'http2' }),
      cluster('auth-grpc', { protocol: 'http2' }),
      ...own.map((one) => one.cluster),
    ],
  );
  const [chain] = base.listeners.get('gateway')!.chains;
  const loggers = logging.map(({ host, one }): [string, Listener] => {
    const accessLogs = one.logs!.map(({ format }, i) => ({ path: logPath(folder, host, i), format }));
    const chains = [{ ...chain!, handler: { ...chain!.handler, accessLogs } }] as Listener['chains'];
    return [host, { ...base.listeners.get('gateway')!, name: host, port: port(host), chains }];
  });
  return {
    ...base,
    listeners: new Map([...base.listeners, ...loggers]),
    endpoints: new Map([
      endpoints('program', program.port),
      endpoints('other', programs.other),
      endpoints('nowhere', DEAD),
      endpoints('half', DEAD, program.port),
      endpoints('calls', program.http2Port),
      endpoints('auth-http', programs.auth.httpPort),
      endpoints('auth-grpc', programs.auth.grpcPort),
      ...own.map(({ cluster: { name }, endpoints: all }): [string, EndpointSet] => [
        name,
        { cluster: name, endpoints: all },
      ]),
    ]),
    secrets: new Map(programs.secrets.map((secret) => [secret.name, secret])),
  };
};

interface Copy {
  readonly url: string;
  readonly host: string;
  readonly body: string;
}

for (const name of ENGINES) {
  describe(`filters in ${name}`, () => {
    let engine: Engine;
    const program = new SteppingProgram();
    let other: FakeServer;
    let auth: AuthServers;
    let copies: Copy[] = [];
    let programs: FilterPrograms;
    /** Requests to the other programs, of the present call. */
    let elsewhere: { readonly headers: IncomingHttpHeaders; readonly body?: string }[] = [];
    const folder = mkdtempSync(join(tmpdir(), 'weft-filters-'));
    const logFiles = openLogFiles(systemClock, silentLog);

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
      auth = await openAuthServers();
      programs = await openFilterPrograms((headers) => elsewhere.push({ headers }));
      engine = await openEngine(
        name,
        ['gateway', ...logging.map(({ host }) => host)],
        (port) => snapshotOf(port, { ...programs, program, auth, other: other.port }, folder),
        { onLogLine: logFiles.write },
      );
    });
    after(async () => {
      await engine?.close();
      await program.close();
      await other?.close();
      await auth?.close();
      await programs?.close();
      await logFiles.close(1000);
      rmSync(folder, { recursive: true, force: true });
    });

    const assertCopies = async (wanted: FilterCall['want']['copies']): Promise<void> => {
      if (!wanted) return;
      await until(() => copies.length >= wanted.length, 'the copies come');
      assert.deepEqual(
        copies.map((copy, k) =>
          Object.fromEntries(Object.keys(wanted[k] ?? copy).map((key) => [key, copy[key as keyof Copy]])),
        ),
        wanted,
      );
    };

    /** One request and what must come of it; answers with the headers. */
    const check = async (
      one: FilterCase,
      host: string,
      asked: FilterCall,
      what: string,
    ): Promise<IncomingHttpHeaders> => {
      program.forget();
      elsewhere = [];
      copies = [];
      auth.asked = undefined;
      const port = engine.port(one.logs ? host : 'gateway');
      const { status, headers, body, cut } = await callFilters(port, asked.host ?? host, asked);
      const { want } = asked;
      assert.equal(status, want.status, `status of ${what}: ${body}`);
      assert.equal(cut, want.cut ?? false, `${what} breaks off`);
      if (want.headers) assert.deepEqual(chosen(headers, want.headers), want.headers, what);
      if (want.body !== undefined) assert.equal(fitting(body, want.body), want.body);
      const attempts = [...program.attempts, ...elsewhere];
      if (want.reached !== undefined) assert.equal(attempts.length > 0, want.reached, `${what} reached the program`);
      if (want.attempts !== undefined) assert.equal(attempts.length, want.attempts, `attempts of ${what}`);
      if (want.receivedBody !== undefined) assert.equal(attempts.at(-1)?.body, want.receivedBody);
      const sent = { ...attempts.at(-1)?.headers };
      if (sent.host === host) sent.host = '$host';
      if (want.sent) assert.deepEqual(chosen(sent, want.sent), want.sent, `sent by ${what}`);
      if (want.asked !== undefined) assert.deepEqual(askedPart(auth.asked, want.asked), want.asked, `asked by ${what}`);
      await assertCopies(want.copies);
      return headers;
    };

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
        const kept = new Map<string, string>();
        let by: unknown;
        for (const [i, each] of one.calls.entries()) {
          const answered: unknown[] = [];
          for (let turn = 0; turn < (each.times ?? 1); turn++) {
            const given = (each.headers ?? []).map((text) => withAddresses(text, programs));
            const asked = { ...each, headers: [...given, ...(each.fresh ? [] : takenAlong(kept))] };
            const headers = await check(one, host, asked, `call ${i}`);
            answered.push(headers['x-endpoint']);
            if (!each.fresh) keep(one, headers, kept);
          }
          if (each.want.by === 'same') assert.deepEqual(new Set(answered), new Set([by]), `who answers call ${i}`);
          if (each.want.by === 'several') assert.ok(new Set(answered).size > 1, `who answers call ${i}: ${answered}`);
          if (typeof each.want.by === 'number') assert.equal(new Set(answered).size, each.want.by, `${answered}`);
          by = answered.at(-1);
        }
        for (const [i, log] of (one.logs ?? []).entries()) await assertLines(logPath(folder, host, i), log);
      });
    }
  });
}
