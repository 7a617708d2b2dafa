// The same format strings on both engines must give the same lines, but for times.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openLogFiles } from '../../src/app/log-files.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { ENGINES, type EnginePair, gatewaySnapshot, openEnginePair } from '../fakes/engine-pair.ts';
import { cluster, forward, route } from '../fakes/envoy-mesh.ts';
import { until } from '../fakes/raw-peer.ts';

const LOOPBACK = '127.0.0.1';

/** What each format makes of `POST /path?q=1` with a body of 4 bytes, answered `hello`. */
const formats: Readonly<Record<string, { readonly format: string; readonly want: string }>> = {
  text: { format: '100%% %REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)%', want: '100% POST /path?q=1 log.test' },
  'headers of the request': { format: '%REQ(X-One)% %REQ(x-none)% %REQ(x-none?X-ONE)%', want: '1 - 1' },
  'headers that come twice': { format: '%REQ(x-two)%', want: 'a' },
  'headers of the answer': { format: '%RESP(x-answer)% %RESP(x-none)% %RESP(:status)%', want: 'yes - 200' },
  trailers: { format: '%TRAILER(x-end)% %TRAILER(x-none)%', want: 'done -' },
  'cut values': { format: '%REQ(:PATH):3%|%REQ(X-ONE):9%', want: '/pa|1' },
  bytes: { format: '%BYTES_RECEIVED% %BYTES_SENT%', want: '4 5' },
  status: { format: '%RESPONSE_CODE% %RESPONSE_FLAGS% %GRPC_STATUS_NUMBER%', want: '200 - -' },
  protocol: { format: '%PROTOCOL% %REQUESTED_SERVER_NAME% %HOSTNAME%', want: `HTTP/1.1 - ${hostname()}` },
  route: {
    format: '%ROUTE_NAME% %UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT%',
    want: 'HTTPRoute/default/log/0/0 program 1',
  },
  addresses: {
    format:
      '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_PEER_URI_SAN%',
    want: '127.0.0.1 127.0.0.1 -',
  },
};

const others: Readonly<Record<string, { readonly format: string; readonly want: RegExp }>> = {
  'the usual time': { format: '%START_TIME%', want: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ },
  'parts of a time': {
    format: '%START_TIME(%Y/%m/%d %H:%M:%S.%3f %s %z %%)%',
    want: /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{3} \d{10} \+0000 %$/,
  },
  durations: { format: '%DURATION%', want: /^\d+$/ },
  places: {
    format: '%UPSTREAM_HOST% %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%',
    want: /^127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+$/,
  },
};

const JSON_FIELDS = {
  code: '%RESPONSE_CODE%',
  sent: '%BYTES_SENT%',
  path: '%REQ(:PATH)%',
  none: '%REQ(X-NONE)%',
  mixed: '%REQ(:METHOD)% %REQ(X-NONE)%',
  quoted: '%REQ(X-QUOTED)%',
};

const names = [...Object.keys(formats), ...Object.keys(others)];
const dir = mkdtempSync(join(tmpdir(), 'weft-logs-'));
const fileOf = (engine: string, name: string): string => join(dir, `${engine} ${name}`);
let program: Server;
let pair: EnginePair | undefined;
const files = openLogFiles(systemClock, silentLog);

const send = (port: number, path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const headers = [
      'host',
      'log.test',
      'content-length',
      '4',
      'x-one',
      '1',
      'x-two',
      'a',
      'x-two',
      'b',
      'x-quoted',
      'a"b\\c',
    ];
    const request = httpRequest({ host: LOOPBACK, port, path, method: 'POST', headers, agent: false, setHost: false });
    request.on('error', reject).on('response', (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    });
    request.end('body');
  });

before(async () => {
  program = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { trailer: 'x-end', 'x-answer': 'yes' });
      response.addTrailers({ 'x-end': 'done' });
      response.end('hello');
    });
  });
  await new Promise<void>((resolve) => program.listen(0, LOOPBACK, resolve));
  const { port } = program.address() as AddressInfo;
  const endpoints = [{ address: LOOPBACK, port, mesh: false, weight: 1, health: 'healthy' as const }];
  const target = cluster('program', { discovery: { type: 'static', endpoints } });
  const logs = (engine: string) => [
    ...names.map((name) => ({
      path: fileOf(engine, name),
      format: { type: 'text' as const, text: (formats[name] ?? others[name])!.format },
    })),
    { path: fileOf(engine, 'json'), format: { type: 'json' as const, fields: JSON_FIELDS } },
  ];
  const hosts = [
    {
      name: 'log',
      domains: ['log.test'],
      routes: [
        route({
          name: 'HTTPRoute/default/log/0/0',
          match: { path: { type: 'prefix', value: '/path' }, headers: [], queryParams: [] },
          action: forward(['program', 1]),
        }),
      ],
    },
  ];
  let opened = 0;
  pair = await openEnginePair(
    (port) => gatewaySnapshot(port, hosts, [target], { edge: true, accessLogs: logs(ENGINES[opened++ % 2]!) }),
    { onLogLine: files.write },
  );
  for (const engine of ENGINES) {
    assert.equal(await send(pair.ports[engine], '/path?q=1'), 200);
    assert.equal(await send(pair.ports[engine], '/else'), 404);
  }
});

after(async () => {
  await pair?.close();
  await files.close(1000);
  program?.closeAllConnections();
  program?.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Both lines, once they are there. */
const linesOf = async (engine: string, name: string): Promise<string[]> => {
  const read = (): string => {
    try {
      return readFileSync(fileOf(engine, name), 'utf8');
    } catch {
      return '';
    }
  };
  await until(
    () => read().split('\n').length >= 3,
    () => `two lines are in ${name}: ${read()}`,
  );
  return read().split('\n');
};

for (const engine of ENGINES) {
  describe(`the access log of ${engine}`, () => {
    for (const [name, { want }] of Object.entries(formats)) {
      it(name, async () => assert.equal((await linesOf(engine, name))[0], want));
    }
    for (const [name, { want }] of Object.entries(others)) {
      it(name, async () => assert.match((await linesOf(engine, name))[0]!, want));
    }
    it('fields of JSON keep their types', async () => {
      const [first, second] = await linesOf(engine, 'json');
      assert.deepEqual(JSON.parse(first!), {
        code: 200,
        sent: 5,
        path: '/path?q=1',
        none: null,
        mixed: 'POST -',
        quoted: 'a"b\\c',
      });
      assert.equal(JSON.parse(second!).code, 404);
    });
    it('a request without a route has a line too', async () => {
      assert.equal((await linesOf(engine, 'status'))[1], '404 NR -');
      assert.equal((await linesOf(engine, 'route'))[1], '- - 0');
    });
  });
}
