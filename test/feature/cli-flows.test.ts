// `weft flows` as people use it: a real process, a real API, and the hub that keeps the events.
import { deepEqual, equal, match } from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import type { TrafficEvent } from '../../src/model/event.ts';
import { flowsHandler } from '../../src/telemetry/flows.ts';
import { type Hub, openHub } from '../../src/telemetry/hub.ts';
import { openTestApi, type TestApi } from '../fakes/api.ts';
import { runWeft, startWeft } from '../fakes/weft-process.ts';

let api: TestApi;
let hub: Hub;

const extraFor = (target: Hub) => new Map([['/weft/v1/flows', flowsHandler(target)]]);

before(async () => {
  hub = openHub({ clock: systemClock });
  api = await openTestApi(extraFor(hub));
});

after(async () => {
  hub.close();
  await api.close();
});

let count = 0;

const event = (path: string, more: Partial<TrafficEvent> = {}): TrafficEvent => ({
  startMs: Date.UTC(2026, 0, 2, 3, 4, 5, 600) + count++,
  durationMs: 1234,
  proxy: 'sidecar~127.0.0.1~reviews.default~default.svc.cluster.local',
  direction: 'inbound',
  protocol: 'http',
  source: { identity: 'spiffe://cluster.local/ns/default/sa/front' },
  destination: { namespace: 'default', workload: 'reviews-v1-abcde', service: 'reviews' },
  http: { method: 'GET', path, host: 'reviews', status: 200, requestId: `r${count}` },
  bytesReceived: 0,
  bytesSent: 100,
  flags: [],
  attempts: 1,
  tls: 'mutual',
  policy: { verdict: 'allow', names: ['default/reviews'], reason: '' },
  ...more,
});

const denied = (path: string): TrafficEvent =>
  event(path, {
    http: { method: 'POST', path, host: 'reviews', status: 403, requestId: `d${count}` },
    flags: ['RBAC'],
    policy: { verdict: 'deny', names: ['weft-system/default-deny'], reason: 'no policy allows it' },
  });

const HEAD = /^TIME +SOURCE +DESTINATION +REQUEST +STATUS +DURATION +VERDICT\n/;

test('past flows are a table, filtered as asked', async () => {
  const none = await runWeft(['flows', '--no-follow'], { dataDir: api.dataDir });
  deepEqual([none.code, none.out, none.err], [0, '', 'No flows found.\n']);
  hub.add(event('/reviews/1'));
  hub.add(denied('/admin'));
  const all = await runWeft(['flows', '--no-follow'], { dataDir: api.dataDir });
  match(all.out, HEAD);
  match(all.out, /\n03:04:05\.\d+ +default\/front +default\/reviews-v1-abcde +GET \/reviews\/1 +200 +1\.2s +allowed\n/);
  match(all.out, /POST \/admin +403 +1\.2s +denied by AuthorizationPolicy weft-system\/default-deny\n$/);
  const only = await runWeft(['flows', '--no-follow', '--verdict', 'denied', '--to', 'reviews', '-o', 'json'], {
    dataDir: api.dataDir,
  });
  const events = only.out
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as TrafficEvent).http?.path);
  deepEqual(events, ['/admin']);
  const wide = await runWeft(['flows', '--no-follow', '--from', 'front', '--status', '2xx', '-o', 'wide'], {
    dataDir: api.dataDir,
  });
  match(wide.out, /GET reviews\/reviews\/1 .* mutual .* spiffe:\/\/cluster\.local\/ns\/default\/sa\/front +allowed\n$/);
});

test('new flows appear as they end, through a restart of the API', async () => {
  const ownHub = openHub({ clock: systemClock });
  const own = await openTestApi(extraFor(ownHub));
  ownHub.add(event('/before'));
  const flows = startWeft(['flows'], { dataDir: own.dataDir });
  await flows.shows(/\/before/);
  ownHub.add(event('/live'));
  await flows.shows(/\/live/);
  await own.close();
  await flows.shows(/trying again/);
  flows.process.kill('SIGINT');
  equal((await flows.result).code, 130);
  ownHub.close();
});

test('a filter that makes no sense is explained', async () => {
  const { code, err } = await runWeft(['flows', '--status', 'many'], { dataDir: api.dataDir });
  equal(code, 1);
  match(err, /^error: status=many is no status \(status=503 or status=5xx\) \(API_BAD_REQUEST\)\n$/);
});
