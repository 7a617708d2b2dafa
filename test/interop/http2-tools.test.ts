// HTTP/2 as curl and nghttp2's tools speak it: bodies both ways through a gateway, and many requests at once.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { http2Server } from '../fakes/http2-peers.ts';
import { endpoint, startProxy, toBackend } from '../fakes/proxy-under-test.ts';

const BODY = randomBytes(5 * 1024 * 1024);
const folder = mkdtempSync(join(tmpdir(), 'weft-http2-'));
const file = join(folder, 'body');
let url = '';
let stop: () => Promise<void>;

before(async () => {
  writeFileSync(file, BODY);
  const backend = await http2Server();
  const proxy = await startProxy(toBackend([endpoint(backend.port)], { cluster: { protocol: 'http2' } }));
  url = `http://127.0.0.1:${proxy.port()}/`;
  stop = async () => {
    await proxy.close();
    backend.close();
  };
});

after(async () => {
  await stop();
  rmSync(folder, { recursive: true });
});

const run = (command: string, args: readonly string[]): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    execFile(command, args, { encoding: 'buffer', maxBuffer: 4 * BODY.length }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command}: ${stderr.toString()}`, { cause: error }));
      else resolve(stdout);
    });
  });

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

test('curl gets back the body that it sends', async () => {
  const got = await run('curl', ['-sS', '--http2-prior-knowledge', '--data-binary', `@${file}`, '-H', 'expect:', url]);
  assert.equal(digest(got), digest(BODY));
});

test('curl waits for 100 (Continue)', async () => {
  const args = ['-sS', '--http2-prior-knowledge', '-H', 'expect: 100-continue', '--data-binary', 'hello', url];
  assert.equal((await run('curl', args)).toString(), 'hello');
});

test('nghttp gets back the body that it sends, by small windows and with padding', async () => {
  const got = await run('nghttp', ['-d', file, '-w', '14', '-W', '15', '-b', '100', url]);
  assert.equal(digest(got), digest(BODY));
});

test('h2load has all its requests answered', async () => {
  const output = (await run('h2load', ['-c', '4', '-m', '50', '-n', '2000', url])).toString();
  assert.match(output, /requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout/);
  assert.match(output, /status codes: 2000 2xx/);
});
