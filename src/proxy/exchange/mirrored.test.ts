import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  chain,
  cluster,
  endpoint,
  forward,
  httpHandler,
  listener,
  type ProxyUnderTest,
  route,
  snapshot,
  startProxy,
} from '../../../test/fakes/proxy-under-test.ts';
import { type RawPeer, type RawServer, rawClient, rawServer, until } from '../../../test/fakes/raw-peer.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const GET = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';
/** More than the sockets and the bound take together. */
const LARGE_BYTES = 32 * 1024 * 1024;

interface Setup {
  readonly proxy: ProxyUnderTest;
  readonly client: RawPeer;
  readonly program: RawServer;
  readonly other: RawServer;
}

/** A route to `program`, with copies to `other`. */
const setup = async (
  t: TestContext,
  onProgram: (peer: RawPeer) => void,
  onOther: (peer: RawPeer) => void,
  timeoutMs?: number,
): Promise<Setup> => {
  const program = await rawServer(onProgram);
  const other = await rawServer(onOther);
  const proxy = await startProxy(
    snapshot({
      listeners: [listener([chain(httpHandler())])],
      routes: [
        route(forward('program', timeoutMs === undefined ? {} : { timeoutMs }), {
          filters: [{ type: 'request-mirror', cluster: 'other', share: 1 }],
        }),
      ],
      clusters: [cluster('program', [endpoint(program.port)]), cluster('other', [endpoint(other.port)])],
    }),
  );
  const client = await rawClient(proxy.port());
  t.after(async () => {
    client.destroy();
    await proxy.close();
    await program.close();
    await other.close();
  });
  return { proxy, client, program, other };
};

const answering = (peer: RawPeer): void => {
  peer.socket.on('data', () => {
    if (!peer.text.includes('\r\n\r\n')) return;
    peer.text = '';
    peer.write(OK);
  });
};

const copyOf = async ({ proxy }: Setup) => {
  const ofCopy = () => proxy.events.find(({ cluster }) => cluster === 'other');
  await until(() => ofCopy() !== undefined, 'the event of the copy');
  return ofCopy()!;
};

test('a copy has an event of its own', async (t) => {
  const all = await setup(t, answering, answering);
  all.client.write(GET);
  await all.client.take('ok');
  const { http, flags, route: name, bytesSent } = await copyOf(all);
  assert.deepEqual([http?.status, http?.path, flags, name, bytesSent], [200, '/a', [], 'r', 2]);
});

test('a copy that nobody answers holds nothing up, and ends with the time of the route', async (t) => {
  const all = await setup(t, answering, () => {}, 100);
  all.client.write(GET);
  await all.client.take('ok');
  assert.deepEqual((await copyOf(all)).flags, ['UT']);
});

test('a copy that is reset is not told to anybody', async (t) => {
  const all = await setup(t, answering, (peer) => peer.socket.on('data', () => peer.destroy()));
  all.client.write(GET);
  await all.client.take('ok');
  assert.deepEqual((await copyOf(all)).flags, ['UC']);
  all.client.write(GET);
  await all.client.take('ok');
});

test('a copy that takes its body too slowly is given up, and the request goes on', async (t) => {
  let taken = 0;
  const all = await setup(
    t,
    (peer) => {
      peer.socket.on('data', (piece: string) => {
        taken += piece.length;
        peer.text = '';
        if (taken > LARGE_BYTES) peer.write(OK);
      });
    },
    (peer) => peer.socket.pause(),
  );
  all.client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${LARGE_BYTES}\r\n\r\n`);
  all.client.socket.write(Buffer.alloc(LARGE_BYTES));
  await all.client.take('ok');
  assert.deepEqual((await copyOf(all)).flags, ['UO']);
});

test('a client that goes takes its copy along', async (t) => {
  const seen: RawPeer[] = [];
  const all = await setup(
    t,
    () => {},
    (peer) => seen.push(peer),
  );
  all.client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
  await until(() => seen.some(({ text }) => text.endsWith('half')), 'the copy begins');
  all.client.destroy();
  assert.deepEqual((await copyOf(all)).flags, ['DC']);
  await until(() => seen.every(({ ended }) => ended), 'the copy ends');
});
