// HTTP/2 between two proxies of the mesh, over mutual TLS with ALPN: each engine as the caller's side of the other.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { openProgram, type Program, VERSIONS, versionClient } from '../fakes/http-versions.ts';
import { ENGINES, startTwoEngines, type TwoEngines } from '../fakes/two-engines.ts';

describe('HTTP/2 between proxies', () => {
  let program: Program;
  let engines: TwoEngines;
  before(async () => {
    program = await openProgram('http2');
    engines = await startTwoEngines(program.port, 'http2');
  });
  after(async () => {
    await engines?.close();
    program?.close();
  });
  for (const from of ENGINES) {
    for (const to of ENGINES) {
      for (const version of VERSIONS) {
        it(`${version} from a client of ${from} to ${to}`, { timeout: 10_000 }, async (t) => {
          const client = versionClient(version, engines.ports[from].gateway);
          t.after(() => client.close());
          const host = `half-${to}.test`;
          // One of two endpoints is not there; whatever the method is, the other one gets the request.
          for (const method of ['GET', 'POST', 'POST', 'GET']) {
            const reply = await client.ask({ host, method, path: '/echo', ...(method === 'POST' && { body: 'a' }) });
            assert.equal(reply.status, 200, reply.body);
            assert.equal(JSON.parse(reply.body).version, '2.0');
          }
          const { trailers } = await client.ask({ host, path: '/trailers' });
          assert.equal(trailers['x-end'], 'yes');
          const { stream } = await client.webSocket({ host, path: '/ws' });
          stream.on('error', () => {}).write('ping');
          assert.equal(String((await once(stream, 'data'))[0]), 'ping');
          stream.destroy();
        });
      }
      it(`a request over ${from} that ${to} could not hand to its program goes to the next one`, async (t) => {
        const client = versionClient('http2', engines.ports[from].gateway);
        t.after(() => client.close());
        for (let i = 0; i < 4; i++) {
          const reply = await client.ask({ host: `to-${to}.test`, path: '/echo' });
          assert.equal(reply.status, 200, reply.body);
        }
      });
    }
  }
});
