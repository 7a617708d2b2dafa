// What travels: TCP, upgrades, streams, large bodies and the corners of HTTP/1.1, by the clients that programs use.
// Used by features.test.ts.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { runProgram } from '../mesh.ts';
import { until } from '../until.ts';
import { call, openTunnel, rawCall } from './http-call.ts';
import type { Features } from './setup.ts';

interface Said {
  readonly name: string;
  readonly method: string;
  readonly httpVersion: string;
  readonly headers: Record<string, string>;
  readonly trailers: Record<string, string>;
  readonly body: { readonly bytes: number; readonly sha256: string; readonly text: string };
}

const said = (text: string): Said => JSON.parse(text) as Said;
const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

const LARGE = 20 * 1024 * 1024;

/** A gateway that sends everything to web, without a limit in time. */
const openGateway = async (f: Features): Promise<number> => {
  const port = await f.freePort();
  await f.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: traffic }
spec: { gatewayClassName: weft, listeners: [{ name: http, protocol: HTTP, port: ${port} }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: traffic }
spec: { parentRefs: [{ name: traffic }], rules: [{ backendRefs: [{ name: web-v1, port: 80 }] }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: into-traffic }
spec: { targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: traffic }], rules: [{}] }
`);
  await until('the gateway to serve', async () => (await call(port, '/')).status === 200);
  return port;
};

/** Through a gateway, and as a member of the mesh: where a request starts, and how its target is written. */
const entrances = async (
  f: Features,
): Promise<readonly { name: string; port: number; base: string; host: string }[]> => [
  { name: 'gateway', port: await openGateway(f), base: '', host: 'traffic.test' },
  { name: 'sidecar', port: f.caller.port, base: 'http://web-v1', host: 'web-v1' },
];

const takeUntil = async (socket: Socket, wanted: string): Promise<string> => {
  let text = '';
  while (!text.includes(wanted)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString('latin1');
  }
  return text;
};

const halfClose = async (port: number, text: string): Promise<string> => rawCall(port, text, { end: true });

export const trafficCases: Record<string, (f: Features) => Promise<void>> = {
  'a local port leads to TCP, with half-close; who may not, is closed': async (f) => {
    assert.equal(await halfClose(f.localPort.guarded, 'all of it'), `guarded-1 9 ${sha256('all of it')}`);
    const large = randomBytes(LARGE);
    assert.equal(await rawCall(f.localPort.guarded, large, { end: true }), `guarded-1 ${LARGE} ${sha256(large)}`);
    const event = await f.flow(
      'the connection',
      ({ protocol, direction, destination, bytesReceived }) =>
        protocol === 'tcp' && direction === 'inbound' && destination.service === 'guarded' && bytesReceived === LARGE,
    );
    assert.equal(event.source.identity, 'spiffe://cluster.local/ns/default/sa/client');
    assert.deepEqual(event.flags, []);

    const stranger = await openTunnel(f.stranger.port, 'guarded.default:7000');
    if (stranger.status === 200) {
      const end = new Promise((resolve) => stranger.socket.once('close', resolve));
      stranger.socket.write('ping');
      await end;
    }
    const denied = await f.flow(
      'the denied connection',
      ({ protocol, policy, source }) =>
        protocol === 'tcp' &&
        policy?.verdict === 'deny' &&
        source.identity === 'spiffe://cluster.local/ns/other/sa/stranger',
    );
    assert.equal(denied.destination.service, 'guarded');
  },

  'a protocol of its own after an upgrade, through gateway and sidecars': async (f) => {
    for (const { name, port, base, host } of await entrances(f)) {
      const socket = connect(port, '127.0.0.1');
      socket.write(
        `GET ${base}/ws HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n`,
      );
      assert.match(await takeUntil(socket, '\r\n\r\n'), /^HTTP\/1\.1 101 /, name);
      socket.write('there and back');
      assert.equal(await takeUntil(socket, 'back'), 'there and back', name);
      socket.destroy();
    }
  },

  'events stream as they come': async (f) => {
    for (const { name, port, base, host } of await entrances(f)) {
      const key = `${f.engine}-${name}`;
      const sent = request({
        host: '127.0.0.1',
        port,
        path: `${base}/events?key=${key}`,
        headers: { host },
        agent: false,
      });
      sent.end();
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      let text = '';
      const ended = once(response, 'end');
      response.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      await until('the first event, before the answer ends', () => text === 'data: 1\n\n');
      assert.equal((await call(port, `${base}/go-on?key=${key}`, { headers: { host } })).body, 'true');
      await ended;
      assert.equal(text, 'data: 1\n\ndata: 2\n\n', name);
    }
  },

  'twenty MiB up and down arrive whole, with trailers': async (f) => {
    const large = randomBytes(LARGE);
    for (const { name, port, base, host } of await entrances(f)) {
      const up = await call(port, `${base}/up`, { method: 'POST', headers: { host }, body: large });
      assert.deepEqual(said(up.body).body, { bytes: LARGE, sha256: sha256(large), text: '' }, name);
      const down = await call(port, `${base}/large?mib=20`, { headers: { host, te: 'trailers' } });
      assert.equal(down.body.length, LARGE, name);
      assert.equal(down.trailers['x-sha256'], sha256(Buffer.from(down.body, 'latin1')), name);
    }
  },

  'trailers, chunks, HEAD, 100-continue, pipelines and HTTP/1.0': async (f) => {
    for (const { name, port, base, host } of await entrances(f)) {
      const closing = `host: ${host}\r\nconnection: close\r\n`;
      const bodyOf = (answer: string) => said(/\{.*\}/s.exec(answer)![0]);
      const chunked = await rawCall(
        port,
        `POST ${base}/ HTTP/1.1\r\n${closing}transfer-encoding: chunked\r\ntrailer: x-last\r\n\r\n4;ext=1\r\nwiki\r\n5\r\npedia\r\n0\r\nx-last: word\r\n\r\n`,
      );
      assert.equal(bodyOf(chunked).body.text, 'wikipedia', name);
      assert.equal(bodyOf(chunked).trailers['x-last'], 'word', name);

      const head = await rawCall(port, `HEAD ${base}/ HTTP/1.1\r\n${closing}\r\n`);
      assert.match(head, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/, `${name}: a head and no body`);

      const socket = connect(port, '127.0.0.1');
      socket.write(`PUT ${base}/ HTTP/1.1\r\n${closing}expect: 100-continue\r\ncontent-length: 4\r\n\r\n`);
      assert.match(await takeUntil(socket, '\r\n\r\n'), /^HTTP\/1\.1 100 /, name);
      socket.write('body');
      assert.equal(bodyOf(await takeUntil(socket, '"trailers":{}}')).body.text, 'body', name);
      socket.destroy();

      const pipeline = ['a', 'b', 'c'].map((path) => `GET ${base}/${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`).join('');
      const answers = await rawCall(port, pipeline, { until: (text) => text.split('"trailers":{}}').length === 4 });
      assert.deepEqual(answers.match(/"url":"\/[abc]"/g), ['"url":"/a"', '"url":"/b"', '"url":"/c"'], name);

      const old = await rawCall(port, `GET ${base}/ HTTP/1.0\r\nhost: ${host}\r\n\r\n`);
      assert.match(old, /^HTTP\/1\.[01] 200 /, name);
      assert.doesNotMatch(old, /transfer-encoding: chunked/i, `${name}: HTTP/1.0 knows no chunks`);
      assert.equal(bodyOf(old).name, 'web-1', name);
    }
  },

  'requests that could be read in two ways are refused': async (f) => {
    const broken: Record<string, string> = {
      'two lengths': 'POST / HTTP/1.1\r\nhost: web-v1\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde',
      'length and chunks':
        'POST / HTTP/1.1\r\nhost: web-v1\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'a space before the colon': 'GET / HTTP/1.1\r\nhost: web-v1\r\nx-a : b\r\n\r\n',
      'no host': 'GET / HTTP/1.1\r\n\r\n',
    };
    for (const [name, bytes] of Object.entries(broken)) {
      const answer = await rawCall(f.caller.port, bytes, { until: (text) => text.includes('\r\n\r\n') });
      assert.match(answer, /^HTTP\/1\.1 4\d\d /, name);
    }
  },

  'curl, Python and Node call as members by their environment': async (f) => {
    const python = 'import urllib.request as r; print(r.urlopen("http://web-v1/from/python").read().decode())';
    const node = `
      const { request } = require('node:http');
      const absolute = new URL(process.env.HTTP_PROXY);
      const ask = () => new Promise((resolve) => request({ host: absolute.hostname, port: absolute.port, path: 'http://web-v1/by/request', headers: { host: 'web-v1' } },
        (response) => { let text = ''; response.on('data', (part) => { text += part; }).on('end', () => resolve(text)); }).end());
      Promise.all([fetch('http://web-v1/by/fetch').then((response) => response.text()), ask()]).then((texts) => console.log('[' + texts.join() + ']'));`;
    const [curl, urllib, both] = await Promise.all([
      runProgram('curl', ['-sS', '--max-time', '20', '-d', 'a=b', 'http://web-v1/from/curl'], f.caller.env),
      runProgram('python3', ['-c', python], f.caller.env),
      runProgram(process.execPath, ['-e', node], f.caller.env),
    ]);
    assert.equal(curl.code, 0, curl.stderr);
    assert.equal(said(curl.stdout).body.text, 'a=b');
    assert.equal(urllib.code, 0, urllib.stderr);
    assert.equal(said(urllib.stdout).name, 'web-1');
    assert.equal(both.code, 0, both.stderr);
    const urls = (JSON.parse(both.stdout) as { url: string }[]).map(({ url }) => url);
    assert.deepEqual(urls, ['/by/fetch', '/by/request']);
    for (const path of ['/by/fetch', '/by/request', '/from/python', '/from/curl']) {
      const { source } = await f.flow(path, ({ direction, http }) => direction === 'inbound' && http?.path === path);
      assert.equal(source.identity, 'spiffe://cluster.local/ns/default/sa/client');
    }
  },
};
