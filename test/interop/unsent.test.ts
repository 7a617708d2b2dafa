// A killed program or proxy fails no request that another endpoint can serve, whichever engines the caller and callee have.
import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { type FakeServer, openServer } from '../fakes/http-server.ts';
import { ENGINES, startTwoEngines, type TwoEngines } from '../fakes/two-engines.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Call {
  readonly port: number;
  readonly path: string;
  readonly host: string;
  readonly method: string;
  readonly pieces?: readonly string[];
}

const ask = ({ port, path, host, method, pieces = [] }: Call): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port, path, method, headers: { host }, agent: false },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
      },
    );
    request.on('error', reject);
    for (const piece of pieces) request.write(piece);
    request.end();
  });

const UNSENT = 'x-weft-unsent';
const ROUNDS = 6;

describe('after a crash', () => {
  let engines: TwoEngines;
  let program: FakeServer;
  /** What the program was asked, in order. */
  let seen: string[] = [];

  before(async () => {
    program = await openServer((request, response) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (chunk: string) => {
        body += chunk;
      });
      request.on('end', () => {
        seen.push(`${request.method} ${body}`);
        if (request.url === '/forge') response.writeHead(503, { [UNSENT]: 'true' });
        response.end(body);
      });
    });
    engines = await startTwoEngines(program.port);
  });
  after(async () => {
    await engines?.close();
    await program?.close();
  });

  for (const caller of ENGINES) {
    for (const callee of ENGINES) {
      for (const direction of ['gateway', 'outbound'] as const) {
        const call = (kind: string, method: string, path = '/', ...pieces: string[]) => {
          seen = [];
          const host = `${kind}-${callee}.test`;
          const port = engines.ports[caller][direction];
          const target = direction === 'outbound' ? `http://${host}${path}` : path;
          return ask({ port, path: target, host, method, pieces });
        };
        const pair = `${caller} ${direction} to ${callee}`;

        it(`${pair}: requests go past the killed program, and none is done twice`, async () => {
          const missesBefore = await engines.misses(callee);
          for (let round = 0; round < ROUNDS; round++) {
            const body = `order ${round}`;
            const posted = await call('to', 'POST', '/', body);
            assert.deepEqual([posted.status, posted.body, seen], [200, body, [`POST ${body}`]]);
            assert.equal(posted.headers[UNSENT], undefined);
            const got = await call('to', 'GET');
            assert.deepEqual([got.status, seen], [200, ['GET ']]);
          }
          assert.ok((await engines.misses(callee)) > missesBefore, 'the killed program was asked for');
        });

        // Envoy gives such an answer at once; a caller that is Envoy can only pass it on while it still sends.
        if (callee === 'weft') {
          it(`${pair}: a body that takes its time goes past the killed program too`, async () => {
            const half = 'x'.repeat(24_000);
            for (let round = 0; round < ROUNDS; round++) {
              const { status, body } = await call('to', 'POST', '/', half, half);
              assert.deepEqual([status, body.length, seen.length], [200, 48_000, 1]);
            }
          });
        }

        it(`${pair}: requests go past a killed proxy`, async () => {
          for (let round = 0; round < ROUNDS; round++) {
            const posted = await call('half', 'POST', '/', 'order');
            assert.deepEqual([posted.status, posted.body, seen], [200, 'order', ['POST order']]);
          }
        });

        it(`${pair}: with nothing left the caller gets 503, without the word between proxies`, async () => {
          const { status, headers } = await call('lost', 'POST', '/', 'order');
          assert.equal(status, 503);
          assert.equal(headers[UNSENT], undefined);
          assert.deepEqual(seen, []);
        });

        it(`${pair}: a program can not say the word`, async () => {
          for (let round = 0; round < ROUNDS; round++) {
            const { status, headers } = await call('to', 'POST', '/forge', 'order');
            assert.equal(status, 503);
            assert.equal(headers[UNSENT], undefined);
            assert.deepEqual(seen, ['POST order']);
          }
        });
      }
    }
  }
});
