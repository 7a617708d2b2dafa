import assert from 'node:assert/strict';
import { on } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { SecretSchema } from '../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import { isWeftError, WeftError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import type { Svid, SvidSource } from '../model/identity.ts';
import { openSdsServer } from './sds-server.ts';

const svid = (n: number): Svid => ({
  spiffeId: 'spiffe://cluster.local/ns/default/sa/front',
  keyPem: `key ${n}`,
  chainPem: `chain ${n}`,
  bundlePem: 'roots',
  notBefore: 0,
  notAfter: 1,
});

/** A source that is renewed by hand; without an SVID at first. */
const handSource = () => {
  const listeners = new Set<(svid: Svid) => void>();
  let present: Svid | undefined;
  const source: SvidSource = {
    current() {
      if (present) return present;
      throw new WeftError('SVID_MISSING', 'none yet');
    },
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const renew = (next: Svid): void => {
    present = next;
    for (const listener of listeners) listener(next);
  };
  return { source, renew, listeners };
};

const setup = async (t: TestContext) => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-sds-'));
  const socketPath = join(dir, 'sds', 'sds.sock');
  const { source, renew, listeners } = handSource();
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (text: string) => warnings.push(text) };
  const server = await openSdsServer({ socketPath, source, log });
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
  t.after(async () => {
    client.close();
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const asBytes = (value: Buffer): Buffer => value;
  const open = (method: string): ClientDuplexStream<Buffer, Buffer> => {
    const path = `/envoy.service.secret.v3.SecretDiscoveryService/${method}`;
    const stream = client.makeBidiStreamRequest(path, asBytes, asBytes);
    stream.on('error', () => {});
    return stream;
  };
  return { socketPath, renew, open, warnings, listeners, server };
};

const partsOf = (bytes: Uint8Array) => {
  const { name, type } = fromBinary(SecretSchema, bytes);
  const text = (source: { specifier: { value?: unknown } } | undefined) =>
    Buffer.from(source?.specifier.value as Uint8Array).toString();
  if (type.case === 'tlsCertificate') return [name, text(type.value.certificateChain), text(type.value.privateKey)];
  if (type.case === 'validationContext') return [name, text(type.value.trustedCa)];
  return [name, type.case];
};

test('state of the world: waits for the first SVID, sends what is named, again on each renewal, not on an ACK', async (t) => {
  const { open, renew } = await setup(t);
  const stream = open('StreamSecrets');
  const answers = on(stream, 'data');
  const next = async () => fromBinary(DiscoveryResponseSchema, (await answers.next()).value![0]);
  const ask = (resourceNames: string[], responseNonce = '') =>
    stream.write(
      Buffer.from(toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, { resourceNames, responseNonce }))),
    );
  ask(['default', 'ROOTCA', 'other']);
  // The stream is there once the server asks for its SVID; renewing earlier would answer as well.
  renew(svid(1));
  const first = await next();
  assert.equal(first.typeUrl, 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret');
  assert.deepEqual(
    first.resources.map((any) => partsOf(any.value)),
    [
      ['default', 'chain 1', 'key 1'],
      ['ROOTCA', 'roots'],
    ],
  );
  ask(['default', 'ROOTCA', 'other'], first.nonce);
  renew(svid(2));
  const second = await next();
  assert.deepEqual(partsOf(second.resources[0]!.value), ['default', 'chain 2', 'key 2']);
  assert.notEqual(second.versionInfo, first.versionInfo);
  stream.cancel();
});

test('says what this machine trusts to who asks for it', async (t) => {
  const { open, renew } = await setup(t);
  renew(svid(1));
  const stream = open('DeltaSecrets');
  const answers = on(stream, 'data');
  const ask = create(DeltaDiscoveryRequestSchema, { resourceNamesSubscribe: ['SYSTEM'] });
  stream.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, ask)));
  const { resources } = fromBinary(DeltaDiscoveryResponseSchema, (await answers.next()).value![0]);
  const [name, roots] = partsOf(resources[0]!.resource!.value);
  assert.equal(name, 'SYSTEM');
  assert.match(roots ?? '', /^-----BEGIN CERTIFICATE-----/);
  stream.cancel();
});

test('incremental: sends only what is new or changed, and nothing of what is no longer wanted', async (t) => {
  const { open, renew, warnings } = await setup(t);
  renew(svid(1));
  const stream = open('DeltaSecrets');
  const answers = on(stream, 'data');
  const next = async () => fromBinary(DeltaDiscoveryResponseSchema, (await answers.next()).value![0]);
  const ask = (init: object) =>
    stream.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, init))));
  ask({ resourceNamesSubscribe: ['ROOTCA'] });
  const first = await next();
  assert.deepEqual(
    first.resources.map((r) => [r.name, ...partsOf(r.resource!.value)]),
    [['ROOTCA', 'ROOTCA', 'roots']],
  );
  ask({ responseNonce: first.nonce, errorDetail: { code: 3, message: 'bad root' } });
  ask({ resourceNamesSubscribe: ['default'] });
  assert.deepEqual(
    (await next()).resources.map((r) => r.name),
    ['default'],
  );
  assert.deepEqual(warnings, ['Envoy refused a secret']);
  renew(svid(2));
  assert.deepEqual(
    (await next()).resources.map((r) => r.name),
    ['default'],
  );
  ask({ resourceNamesUnsubscribe: ['default'] });
  ask({ resourceNamesUnsubscribe: ['ROOTCA'], resourceNamesSubscribe: [] });
  ask({ resourceNamesSubscribe: ['ROOTCA'] });
  assert.deepEqual(
    (await next()).resources.map((r) => r.name),
    ['ROOTCA'],
  );
  renew({ ...svid(3), bundlePem: 'new roots' });
  const last = await next();
  assert.deepEqual(
    last.resources.map((r) => partsOf(r.resource!.value)),
    [['ROOTCA', 'new roots']],
  );
  stream.cancel();
});

test('ends a stream that sends nonsense or asks for too much, and goes on serving others', async (t) => {
  const { open, renew } = await setup(t);
  renew(svid(1));
  for (const message of [
    Buffer.from([0xff, 0xff]),
    Buffer.from(
      toBinary(
        DiscoveryRequestSchema,
        create(DiscoveryRequestSchema, { resourceNames: Array.from({ length: 200 }, (_, i) => `${i}`) }),
      ),
    ),
  ]) {
    const stream = open('StreamSecrets');
    const ended = new Promise((resolve) => stream.on('status', resolve));
    stream.resume();
    stream.write(message);
    await ended;
  }
  const stream = open('StreamSecrets');
  const answers = on(stream, 'data');
  stream.write(
    Buffer.from(toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, { resourceNames: ['default'] }))),
  );
  assert.equal(fromBinary(DiscoveryResponseSchema, (await answers.next()).value![0]).resources.length, 1);
  stream.cancel();
});

test('is reachable for this user alone, and leaves nothing behind', async (t) => {
  const { socketPath, server, listeners } = await setup(t);
  assert.equal(statSync(socketPath).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(socketPath)).mode & 0o777, 0o700);
  await server.close();
  assert.throws(() => statSync(socketPath));
  assert.equal(listeners.size, 0);
});

test('says that a socket path is too long', async () => {
  const socketPath = join(tmpdir(), 'x'.repeat(100), 'sds.sock');
  await assert.rejects(openSdsServer({ socketPath, source: handSource().source, log: silentLog }), (error) =>
    isWeftError(error, 'SOCKET_PATH_TOO_LONG'),
  );
});
