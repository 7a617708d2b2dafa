// Events on their whole way: from a proxy's sender, and from Envoy's access log client, over mutual TLS into the hub.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { openAuthority } from '../../src/ca/authority.ts';
import { makeCsr } from '../../src/ca/csr.ts';
import { StreamAccessLogsMessageSchema } from '../../src/gen/envoy/service/accesslog/v3/als_pb.js';
import type { ChannelTls } from '../../src/grpc/channel.ts';
import { openGrpcServer } from '../../src/grpc/server.ts';
import { peerOf } from '../../src/grpc/service.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import type { TrafficEvent } from '../../src/model/event.ts';
import type { ProxyNode } from '../../src/model/node.ts';
import { openHub } from '../../src/telemetry/hub.ts';
import { telemetryServices } from '../../src/telemetry/ingest.ts';
import { openEventSender } from '../../src/telemetry/sender.ts';

const spiffeId = 'spiffe://cluster.local/ns/shop/sa/orders';
const node: ProxyNode = {
  id: 'sidecar~127.0.0.1~orders-1.shop~shop.svc.cluster.local',
  role: 'sidecar',
  engine: 'weft',
  name: 'orders-1',
  namespace: 'shop',
  serviceAccount: 'orders',
  labels: {},
  localPorts: [],
  ports: {},
  appAddress: '127.0.0.1',
};

const event = (route: string): TrafficEvent => ({
  startMs: 1,
  durationMs: 2,
  proxy: 'x',
  direction: 'inbound',
  protocol: 'tcp',
  source: {},
  destination: { service: 'orders' },
  bytesReceived: 0,
  bytesSent: 0,
  flags: [],
  route,
  attempts: 1,
  tls: 'mutual',
});

const open = async (t: TestContext) => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-telemetry-'));
  const authority = openAuthority({ dir, trustDomain: 'cluster.local', clock: systemClock, log: silentLog });
  const server = authority.serverCertificate({ dnsNames: ['control.test'], ipAddresses: ['127.0.0.1'] });
  const hub = openHub({ clock: systemClock });
  const identity = { ...server, bundlePem: authority.bundlePem };
  const listen = (address: string) =>
    openGrpcServer(address, telemetryServices({ hub, peerOf, log: silentLog }), identity);
  let running = await listen('127.0.0.1:0');
  const { address } = running;
  t.after(async () => {
    await running.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const tlsOf = (id: string) => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const chainPem = authority.sign(makeCsr(privateKey, id), { spiffeId: id }).chainPem.join('');
    const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { caPem: authority.bundlePem, own: { chainPem, keyPem } };
  };
  const waiting: { count: number; resolve: () => void }[] = [];
  const check = () => {
    for (const { count, resolve } of waiting) if (hub.stats().events >= count) resolve();
  };
  hub.subscribe({ all: true }, check, () => {});
  const received = (count: number) =>
    new Promise<void>((resolve) => {
      waiting.push({ count, resolve });
      check();
    });
  const restart = {
    stop: () => running.close(),
    start: async () => {
      running = await listen(address);
    },
  };
  return { hub, address, tlsOf, received, ...restart };
};

const openSender = (
  t: TestContext,
  address: string,
  tls: Parameters<typeof openEventSender>[0]['tls'],
  capacity = 1000,
) => {
  const sender = openEventSender({
    address,
    tls,
    node,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    capacity,
  });
  t.after(() => sender.close(0));
  return sender;
};

test('events arrive in order, with the sender as its certificate says', async (t) => {
  const { hub, address, tlsOf, received } = await open(t);
  const tls = tlsOf(spiffeId);
  const sender = openSender(t, address, () => tls);
  for (let i = 0; i < 700; i++) sender.add(event(String(i)));
  await received(700);
  const events = hub.recent(1000);
  assert.deepEqual(
    events.map(({ route }) => route),
    Array.from({ length: 700 }, (_, i) => String(i)),
  );
  const { proxy, destination } = events[0]!;
  assert.deepEqual([proxy, destination], [node.id, { identity: spiffeId, namespace: 'shop', service: 'orders' }]);
  assert.deepEqual(sender.stats(), { queued: 0, sent: 700, dropped: 0 });
});

test('closing sends what is waiting', async (t) => {
  const { address, tlsOf, received } = await open(t);
  const tls = tlsOf(spiffeId);
  const sender = openSender(t, address, () => tls);
  sender.add(event('first'));
  await received(1);
  sender.add(event('last'));
  await sender.close(5_000);
  await received(2);
});

test('while the control plane is away the newest wait, and then arrive', async (t) => {
  const { hub, address, tlsOf, received, stop, start } = await open(t);
  const tls = tlsOf(spiffeId);
  const sender = openSender(t, address, () => tls, 100);
  sender.add(event('before'));
  await received(1);
  await stop();
  // What is written before the sender hears of the end is lost; these are after it, or wait.
  for (let i = 0; i < 250; i++) sender.add(event(String(i)));
  await start();
  for (let sent = 0; hub.stats().events < 2; sent++) {
    sender.add(event(`after-${sent}`));
    await Promise.race([received(2), new Promise((resolve) => systemClock.after(20, () => resolve(undefined), true))]);
  }
  assert.ok(sender.stats().dropped >= 150);
});

test('without a certificate it waits for one', async (t) => {
  const { address, tlsOf, received } = await open(t);
  let tls: ReturnType<typeof tlsOf> | undefined;
  const sender = openSender(t, address, () => tls);
  sender.add(event('early'));
  tls = tlsOf(spiffeId);
  await received(1);
});

/** Opens a raw stream and sends messages; answers the error that ended it, or undefined. */
const sendRaw = (address: string, path: string, messages: Buffer[], tls: ChannelTls): Promise<ServiceError | null> => {
  const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
  const secure = credentials.createSsl(Buffer.from(tls.caPem), pem(tls.own?.keyPem), pem(tls.own?.chainPem));
  const client = new Client(address, secure, { 'grpc.ssl_target_name_override': 'control.test' });
  const same = (bytes: Buffer) => bytes;
  return new Promise((resolve) => {
    const call = client.makeClientStreamRequest(path, same, same, (error) => {
      client.close();
      resolve(error);
    });
    call.on('error', () => {});
    for (const message of messages) call.write(message);
    call.end();
  });
};

const EVENTS = '/weft.telemetry.v1.Events/Send';
const ACCESS_LOGS = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
const batch = (value: unknown) => Buffer.from(JSON.stringify(value));

const refusals: Record<string, { path?: string; message: Buffer; identity?: string; code: number; details: RegExp }> = {
  'a stream without a certificate': {
    message: batch({ node: node.id, events: [event('x')] }),
    code: status.PERMISSION_DENIED,
    details: /mutual TLS/,
  },
  'a proxy of another namespace': {
    message: batch({ node: node.id, events: [event('x')] }),
    identity: 'spiffe://cluster.local/ns/other/sa/orders',
    code: status.PERMISSION_DENIED,
    details: /does not belong to spiffe:\/\/cluster.local\/ns\/other/,
  },
  'what is not JSON': { message: Buffer.from('{'), identity: spiffeId, code: status.INVALID_ARGUMENT, details: /JSON/ },
  'a message that is too large': {
    message: batch({ node: node.id, filler: 'x'.repeat(4.1 * 1024 * 1024) }),
    identity: spiffeId,
    code: status.PERMISSION_DENIED,
    details: /larger than/,
  },
  'an access log that Weft did not configure': {
    path: ACCESS_LOGS,
    message: Buffer.from(
      toBinary(
        StreamAccessLogsMessageSchema,
        create(StreamAccessLogsMessageSchema, { identifier: { node: { id: node.id }, logName: 'mine' } }),
      ),
    ),
    identity: spiffeId,
    code: status.PERMISSION_DENIED,
    details: /not one that Weft configures/,
  },
  'an access log of a gateway from a sidecar': {
    path: ACCESS_LOGS,
    message: Buffer.from(
      toBinary(
        StreamAccessLogsMessageSchema,
        create(StreamAccessLogsMessageSchema, { identifier: { node: { id: node.id }, logName: 'weft/gateway/http' } }),
      ),
    ),
    identity: spiffeId,
    code: status.PERMISSION_DENIED,
    details: /a sidecar has no access log of direction gateway/,
  },
};

for (const [name, { path = EVENTS, message, identity, code, details }] of Object.entries(refusals)) {
  test(`refuses ${name}`, async (t) => {
    const { hub, address, tlsOf } = await open(t);
    const tls = tlsOf(identity ?? spiffeId);
    const error = await sendRaw(address, path, [message], identity ? tls : { caPem: tls.caPem });
    assert.equal(error?.code, code);
    assert.match(error?.details ?? '', details);
    assert.equal(hub.stats().events, 0);
  });
}

test("Envoy's access log stream becomes events", async (t) => {
  const { hub, address, tlsOf } = await open(t);
  const message = create(StreamAccessLogsMessageSchema, {
    identifier: { node: { id: node.id }, logName: 'weft/inbound/http/shop/orders/80' },
    logEntries: {
      case: 'httpLogs',
      value: {
        logEntry: [
          {
            commonProperties: { startTime: { seconds: 1n } },
            request: { path: '/a?b' },
            response: { responseCode: 200 },
          },
        ],
      },
    },
  });
  const later = create(StreamAccessLogsMessageSchema, { logEntries: message.logEntries });
  const messages = [message, later].map((one) => Buffer.from(toBinary(StreamAccessLogsMessageSchema, one)));
  const error = await sendRaw(address, ACCESS_LOGS, messages, tlsOf(spiffeId));
  assert.equal(error, null);
  assert.equal(hub.stats().events, 2);
  const [first] = hub.recent(1);
  assert.equal(first?.http?.path, '/a');
  assert.deepEqual(first?.destination, {
    namespace: 'shop',
    service: 'orders',
    identity: spiffeId,
    workload: 'orders-1',
  });
});
