// gRPC through Weft's own proxy and through a real Envoy: the same calls, the same answers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { ForwardAction, Route } from '../../src/model/route.ts';
import type { Cluster, Endpoint } from '../../src/model/snapshot.ts';
import { ENGINES, type EnginePair, gatewaySnapshot, openEnginePair } from '../fakes/engine-pair.ts';
import { cluster, forward, route } from '../fakes/envoy-mesh.ts';
import { GrpcClient, type GrpcProgram, nextMessage, openGrpcProgram } from '../fakes/grpc-program.ts';
import { WebCall } from '../fakes/grpc-web-call.ts';
import { until } from '../fakes/raw-peer.ts';

const http2 = (name: string, port: number): Cluster => {
  const endpoint: Endpoint = { address: '127.0.0.1', port, mesh: false, weight: 1, health: 'healthy' };
  return cluster(name, { protocol: 'http2', discovery: { type: 'static', endpoints: [endpoint] } });
};

const toProgram = (more: Partial<ForwardAction> = {}): Route['action'] => ({
  ...(forward(['program', 1]) as ForwardAction),
  ...more,
});

const snapshotOf = (port: number, program: number, dead: number) =>
  gatewaySnapshot(
    port,
    Object.entries({
      'plain.test': toProgram(),
      'retry.test': toProgram({ retry: { attempts: 2, statuses: [], grpcStatuses: [14], backoffMs: 1 } }),
      'dead.test': forward(['dead', 1]),
      'said.test': { type: 'direct' as const, status: 403, body: 'not you' },
    }).map(([name, action]) => ({ name, domains: [name], routes: [route({ action })] })),
    [http2('program', program), http2('dead', dead)],
  );

let program: GrpcProgram;
let engines: EnginePair;

before(async () => {
  program = await openGrpcProgram();
  const dead = await openGrpcProgram();
  await dead.close();
  engines = await openEnginePair((port) => snapshotOf(port, program.port, dead.port));
});
after(async () => {
  await engines?.close();
  await program?.close();
});

for (const engine of ENGINES) {
  describe(`gRPC through ${engine}`, () => {
    const clients: GrpcClient[] = [];
    const client = (host = 'plain.test'): GrpcClient => {
      const made = new GrpcClient(engines.ports[engine], host);
      clients.push(made);
      return made;
    };
    after(() => {
      for (const made of clients) made.close();
    });

    it('carries unary calls with their trailers, and events tell the status', async () => {
      const result = await client().once('hello');
      assert.deepEqual([result.code, result.body, result.trailers.get('x-method')], [0, 'hello', ['/test.Echo/Once']]);
      const event = await engines.event(engine, ({ http }) => http?.path === '/test.Echo/Once');
      assert.deepEqual([event.http?.status, event.http?.grpcStatus], [200, 0]);
    });

    it('carries streams of the client, of the server, and of both', async () => {
      assert.deepEqual(await client().split('abc'), ['a', 'b', 'c']);
      assert.equal(await client().join(['a', 'b', 'c']), 'abc');
      const talk = client().talk();
      for (const word of ['one', 'two', 'three']) {
        talk.write(Buffer.from(word));
        assert.equal(await nextMessage(talk), word);
      }
      talk.end();
      talk.resume();
      const [status] = await once(talk, 'status');
      assert.equal(status.code, 0);
    });

    it('carries large messages', async () => {
      const text = 'x'.repeat(5 * 1024 * 1024);
      const { code, body } = await client().once(text);
      assert.deepEqual([code, body.length], [0, text.length]);
    });

    it('carries an error without messages as it is', async () => {
      const { code, details, trailers } = await client().once('', { 'x-fail': '9', 'x-key': `${engine} plain` });
      assert.deepEqual([code, details, trailers.get('x-method')], [9, 'no: 50% ü', ['/test.Echo/Once']]);
      await engines.event(engine, ({ http }) => http?.grpcStatus === 9);
    });

    const refused: Record<string, [host: string, code: number]> = {
      'no route is UNIMPLEMENTED': ['unknown.test', 12],
      'no connection is UNAVAILABLE': ['dead.test', 14],
      'a direct response of 403 is PERMISSION_DENIED': ['said.test', 7],
    };
    for (const [sentence, [host, want]] of Object.entries(refused)) {
      it(`${sentence}`, async () => {
        const { code, details } = await client(host).once('');
        assert.equal(code, want, details);
      });
    }

    it('retries what the server would not do, by its status', async () => {
      const times = { 'x-fail': '14', 'x-times': '2', 'x-key': `${engine} retried` };
      const { code, body } = await client('retry.test').once('again', times);
      assert.deepEqual([code, body], [0, 'again']);
      const event = await engines.event(engine, ({ attempts }) => attempts === 3);
      assert.equal(event.http?.grpcStatus, 0);
      const other = { 'x-fail': '9', 'x-times': '1', 'x-key': `${engine} not retried` };
      assert.equal((await client('retry.test').once('', other)).code, 9);
    });

    it('sends a call to the next connection where the one before goes away in the middle of another', async () => {
      const talk = client().talk();
      talk.write(Buffer.from('before'));
      assert.equal(await nextMessage(talk), 'before');
      program.goAway();
      talk.write(Buffer.from('behind'));
      assert.equal(await nextMessage(talk), 'behind');
      assert.equal((await client().once('elsewhere')).body, 'elsewhere');
      talk.end();
      talk.resume();
      assert.equal((await once(talk, 'status'))[0].code, 0);
    });

    it('tells the server of a call that was cancelled', async () => {
      const { waiting, cancelled } = program;
      const { call, result } = client().wait();
      await until(() => program.waiting > waiting, 'the call has come');
      call.cancel();
      assert.equal((await result).code, 1);
      await until(() => program.cancelled > cancelled, 'the server hears of it');
    });

    for (const text of [false, true]) {
      describe(`gRPC-Web ${text ? 'in base64' : 'as bytes'}`, () => {
        const start = (method: string, fields: Record<string, string> = {}, host = 'plain.test') =>
          new WebCall(engines.ports[engine], host, method, text, fields);

        it('carries unary calls, with trailers in the body', async () => {
          const call = start('Once').write('hello').end();
          const answer = await call.whole();
          assert.deepEqual([answer.status, answer.fields['content-type']], [200, call.type]);
          assert.deepEqual(answer.messages, ['hello']);
          assert.equal(answer.trailers['grpc-status'], '0');
          assert.equal(answer.trailers['x-method'], '/test.Echo/Once');
        });

        it('carries streams of the server', async () => {
          const { messages, trailers } = await start('Split').write('abc').end().whole();
          assert.deepEqual([messages, trailers['grpc-status']], [['a', 'b', 'c'], '0']);
        });

        it('passes messages on as they come, both ways', async () => {
          const call = start('Talk');
          for (const word of ['one', 'two', 'three']) assert.equal(await call.write(word).next(), word);
          assert.equal(await call.end().next(), undefined);
          assert.equal(call.trailers['grpc-status'], '0');
        });

        it('carries large messages', async () => {
          const large = 'x'.repeat(1_000_001);
          assert.deepEqual((await start('Once').write(large).end().whole()).messages, [large]);
        });

        it('tells an error without messages', async () => {
          const call = start('Once', { 'x-fail': '9', 'x-key': `${engine} web ${text}` });
          const { status, fields, messages } = await call.write('').end().whole();
          assert.deepEqual([status, fields['grpc-status'], messages], [200, '9', []]);
          assert.equal(decodeURI(String(fields['grpc-message'])), 'no: 50% ü');
        });

        it('tells what the proxy itself refuses', async () => {
          const call = start('Once', {}, 'dead.test');
          const { status, fields } = await call.write('').end().whole();
          assert.deepEqual([status, fields['grpc-status'], fields['content-type']], [503, '14', call.type]);
        });
      });
    }

    it('refuses a body of gRPC-Web that is no base64', async () => {
      const call = new WebCall(engines.ports[engine], 'plain.test', 'Once', true);
      const answer = await call.writeRaw(Buffer.from('!!!!')).end().head;
      assert.deepEqual([answer.statusCode, answer.headers['grpc-status']], [400, '13']);
      answer.resume();
    });
  });
}
