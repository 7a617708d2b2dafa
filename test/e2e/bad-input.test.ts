// What goes wrong on a mesh that runs: manifests, tokens, gateways, clients, programs. Each is told plainly, and nothing
// else suffers. One mesh for all of it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openTokens } from '../../src/api/tokens.ts';
import { ADMIN_GROUP, audiences } from '../../src/api/user.ts';
import { findKind } from '../../src/kinds/registry.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Condition } from '../../src/model/resource.ts';
import { type Finished, type Mesh, startMesh } from './mesh.ts';
import { until } from './until.ts';

const HOUR_MS = 3_600_000;
const GATEWAY = findKind('gateway.networking.k8s.io/v1', 'Gateway')!;
const WORKLOAD = findKind('networking.istio.io/v1', 'WorkloadEntry')!;
const SECRET = findKind('v1', 'Secret')!;

/** Of an authority that has nothing to do with any mesh. */
const OTHER_ROOT = `-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUbLbkECa084c7UEkI/GXWWRx+H2swCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHYW5vdGhlcjAgFw0yNjExMjExMDAzNDNaGA8yMTI2MTAyODEw
MDM0M1owEjEQMA4GA1UEAwwHYW5vdGhlcjBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABIuEyCF7WKckl7lmIPACglXUa/+9YtQBV0vu+B+GzrCWp9bzavj6875/DW+k
SVLnWSMJhryk69vIX6lyLPgx4iKjUzBRMB0GA1UdDgQWBBShFzimUMOMO5wdYmw3
wbsIqmbrETAfBgNVHSMEGDAWgBShFzimUMOMO5wdYmw3wbsIqmbrETAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCio0qgxGQIb0MaF36EOppWMnH3
F/oEDbeHbpvxzRSbZgIgVXDcH/yq83wVU+w0D7IO6iKbvBbgSL3PJYh4JP8nlbo=
-----END CERTIFICATE-----
`;

let mesh: Mesh;
let crowd: Crowd;

interface Crowd {
  readonly idle: readonly Socket[];
  /** What a client got that sends its head byte by byte. */
  readonly slow: Promise<string>;
}

const open = async (): Promise<Socket> => {
  const socket = connect(Number(new URL(mesh.gateway).port), '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
};

const openSlow = async (): Promise<string> => {
  const socket = await open();
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ');
  const drip = setInterval(() => socket.write('x'), 200);
  await once(socket, 'close');
  clearInterval(drip);
  return answer;
};

/** Clients that send nothing, send slowly, or go away in the middle. */
const openCrowd = async (): Promise<Crowd> => {
  const idle = await Promise.all(Array.from({ length: 200 }, open));
  for (let i = 0; i < 20; i++) {
    const half = await open();
    half.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf');
    half.resetAndDestroy();
  }
  return { idle, slow: openSlow() };
};

before(async () => {
  mesh = await startMesh();
  // All that follows is served beside these.
  crowd = await openCrowd();
});
after(async () => {
  for (const socket of crowd?.idle ?? []) socket.destroy();
  await mesh?.stop();
});

const write = (name: string, text: string): string => {
  const dir = join(mesh.state, 'input');
  mkdirSync(dir, { recursive: true });
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
};

/** Fails where a user's mistake is answered with a stack, or twice. */
const assertPlain = ({ stdout, stderr }: Finished): void => {
  assert.doesNotMatch(stdout + stderr, /^\s+at (?:\S+ )?\(?(?:file:|node:|\/).*:\d+:\d+\)?$/m);
  assert.ok((stderr.match(/^error: /gm) ?? []).length >= 1, stderr);
};

const fails = async (args: readonly string[], code: number, ...says: RegExp[]): Promise<Finished> => {
  const result = await mesh.weft(...args);
  assert.equal(result.code, code, result.stdout + result.stderr);
  assertPlain(result);
  for (const words of says) assert.match(result.stderr, words);
  return result;
};

const SERVICE = (name: string) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: 80}]}\n`;

const control = (): { xds: string; rootPem: string } =>
  JSON.parse(readFileSync(join(mesh.state, 'control.json'), 'utf8'));
const joinWith = (token: string, rootPem = control().rootPem): string[] => {
  const files = [`--root-cert=${write('root.pem', rootPem)}`, `--token-file=${write('join.token', token)}`];
  return ['run', '--service=visitor', `--control=${control().xds}`, ...files, '--', 'true'];
};

describe('manifests', () => {
  const cases: Record<string, { text: string; says: RegExp[] }> = {
    'broken YAML is told with file, line and column': {
      text: 'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n   labels: {x: y}\n',
      says: [/^error: not valid YAML: .+ \(YAML_INVALID\)\n {2}at: \S+broken-YAML\.yaml:4:\d+$/m],
    },
    'an unknown field is told with its line and the nearest known name': {
      text: SERVICE('b').replace('ports', 'port'),
      says: [/^error: unknown field "spec.port" \(UNKNOWN_FIELD\)\n {2}at: \S+:4:8\n {2}try: did you mean "ports"\?$/m],
    },
    'an unknown kind is told with the nearest and all that are supported': {
      text: SERVICE('c').replace('Service', 'Servce'),
      says: [
        /kind "Servce" .* is not supported \(UNKNOWN_KIND\)/,
        /try: did you mean Service\? supported: .*HTTPRoute/,
      ],
    },
    'a second document that is wrong keeps the first from being applied': {
      text: `${SERVICE('not-applied')}---\nkind: Service\napiVersion: v1\nmetadata: {name: Wrong_Name}\n`,
      says: [
        /^error: metadata\.name: "Wrong_Name" is not a name: .*\n {2}at: \S+:\d+:\d+$/m,
        /2 problems in 1 file; nothing was applied/,
      ],
    },
  };
  for (const [name, { text, says }] of Object.entries(cases)) {
    test(name, async () => {
      const file = write(`${name.slice(0, 11).replaceAll(' ', '-')}.yaml`, text);
      await fails(['apply', '-f', file], 1, ...says, /nothing was applied/);
    });
  }
  test('nothing of the bad files is there', async () => {
    await fails(['get', 'service', 'not-applied'], 1, /not-applied does not exist .*\(API_NOT_FOUND\)/);
  });

  test('an object that is too large is refused with 413, by the API itself too', async () => {
    const data = Object.fromEntries([...'ab'].map((key) => [key, Buffer.alloc(900_000).toString('base64')]));
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'huge', namespace: 'default' }, data };
    await assert.rejects(mesh.client().create(SECRET, secret), { code: 'API_TOO_LARGE', message: /1\.5 MiB|larger/ });
    const file = write('huge.json', JSON.stringify(secret));
    await fails(['apply', '-f', file], 1, /larger than/);
  });
});

describe('tokens and certificates', () => {
  /** The kubeconfig with one value changed. */
  const kubeconfig = (name: string, field: string, value: string): string => {
    const text = readFileSync(join(mesh.state, 'kubeconfig'), 'utf8');
    return write(name, text.replace(new RegExp(`(${field}: ).*`), `$1${value}`));
  };
  const expired = async (audience: string, subject: string, groups: readonly string[]): Promise<string> => {
    const clock = { ...systemClock, now: () => Date.now() - 2 * HOUR_MS };
    const past = await openTokens({ dir: join(mesh.state, 'tokens'), clock });
    return (await past.issue({ subject, groups, audience, ttlMs: HOUR_MS })).token;
  };
  test('a token that is none is refused', async () => {
    const file = kubeconfig('wrong', 'token', 'nonsense');
    await fails(['get', 'services', '--kubeconfig', file], 1, /\(API_UNAUTHORIZED\)/, /try: .*kubeconfig/);
  });

  test('a token that has ended is told from one that is wrong', async () => {
    const file = kubeconfig('expired', 'token', await expired(audiences.api, 'admin', [ADMIN_GROUP]));
    await fails(['get', 'services', '--kubeconfig', file], 1, /\(API_TOKEN_EXPIRED\)/);
  });

  test('a join token opens nothing at the API', async () => {
    const token = (await mesh.weftOk('token', 'create', '--service-account', 'front')).trim();
    await fails(
      ['get', 'services', '--kubeconfig', kubeconfig('join', 'token', token)],
      1,
      /\(API_(FORBIDDEN|UNAUTHORIZED)\)/,
    );
    // For the API as its audience it is known, but may do nothing there.
    const known = await mesh.weftOk('token', 'create', '--service-account', 'front', '--audience', audiences.api);
    const file = kubeconfig('account', 'token', known.trim());
    await fails(
      ['get', 'services', '--kubeconfig', file],
      1,
      /^error: services is forbidden: .*cannot list.*\(API_FORBIDDEN\)/m,
    );
  });

  test('a server with a certificate of another authority is not trusted', async () => {
    const other = Buffer.from(OTHER_ROOT).toString('base64');
    const file = kubeconfig('authority', 'certificate-authority-data', other);
    await fails(['get', 'services', '--kubeconfig', file], 1, /\(CLIENT_UNTRUSTED\)/, /try: .*kubeconfig/);
  });

  test('joining with a wrong or ended token, or a wrong root, ends at once and says why', async () => {
    const refused = await fails(
      joinWith('nonsense'),
      1,
      /refused to give a certificate.*\(SVID_REFUSED\)/,
      /try: .*weft token create/,
    );
    assert.equal(refused.stderr.match(/^error: /gm)!.length, 1, refused.stderr);
    const token = await expired(audiences.ca, 'system:serviceaccount:default:front', []);
    await fails(joinWith(token), 1, /expired|ended/, /\(SVID_REFUSED\)/);
    await fails(joinWith(token, OTHER_ROOT), 1, /\(ROOT_UNREADABLE\)/);
  });
});

const get = (url: string, host?: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const call = httpRequest(url, { agent: false, headers: host ? { host } : {} }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode!));
    });
    call.on('error', reject);
    call.end();
  });

const gateway = (name: string, listeners: string): string =>
  `apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: ${name}}\nspec:\n  gatewayClassName: weft\n  listeners: [${listeners}]\n`;

interface GatewayState {
  readonly conditions: readonly Condition[];
  readonly listeners: readonly { readonly name: string; readonly conditions: readonly Condition[] }[];
}

const conditionOf = (conditions: readonly Condition[] | undefined, type: string) =>
  conditions?.find((condition) => condition.type === type);

const gatewayState = async (name: string): Promise<GatewayState> =>
  (await mesh.client().get(GATEWAY, name, { namespace: 'default' })).status as GatewayState;

const listenOn = async (port = 0) => {
  const server = createServer((socket) => socket.end('another program'));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port };
};

describe('gateways and routes', () => {
  test('a route with a backend that does not exist gives that share 500; other routes go on', async () => {
    const route = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: dangling}
spec:
  parentRefs: [{name: shop}]
  hostnames: [dangling.example]
  rules:
  - backendRefs: [{name: nowhere, port: 80}, {name: front, port: 9080}]
`;
    const { stdout, stderr } = await mesh.weft('apply', '-f', write('dangling.yaml', route));
    assert.match(stdout, /dangling created/);
    assert.match(
      stderr,
      /^warning: .*ResolvedRefs=False \(BackendNotFound\): Service default\/nowhere does not exist$/m,
    );
    assert.match(
      await mesh.weftOk('describe', 'httproute', 'dangling'),
      /ResolvedRefs +False +BackendNotFound: Service default\/nowhere does not exist/,
    );
    const seen = new Set<number>();
    await until('both shares', async () => {
      seen.add(await get(mesh.gateway, 'dangling.example'));
      return seen.has(200) && seen.has(500);
    });
    assert.deepEqual([...seen].sort(), [200, 500]);
    assert.equal(await get(mesh.gateway), 200);
  });

  test('of two listeners that want one port for other protocols the older goes on', async () => {
    const { server, port } = await listenOn();
    server.close();
    await mesh.weftOk(
      'apply',
      '-f',
      write('older.yaml', gateway('older', `{name: web, port: ${port}, protocol: HTTP}`)),
    );
    await until('the older to serve', async () => [403, 404].includes(await get(`http://127.0.0.1:${port}`)));
    const younger = gateway(
      'younger',
      `{name: tls, port: ${port}, protocol: HTTPS, tls: {certificateRefs: [{name: none}]}}`,
    );
    const { stderr } = await mesh.weft('apply', '-f', write('younger.yaml', younger));
    assert.match(
      stderr,
      /listener tls: Conflicted=True \(ProtocolConflict\): port \d+ is HTTP at an earlier listener of Gateway default\/older/,
    );
    const older = await gatewayState('older');
    assert.equal(conditionOf(older.conditions, 'Programmed')?.status, 'True');
    assert.ok([403, 404].includes(await get(`http://127.0.0.1:${port}`)));
  });

  test('a port that another program has is told with its name, and taken once it is free', async () => {
    const { server, port } = await listenOn();
    const file = write('taken.yaml', gateway('taken', `{name: web, port: ${port}, protocol: HTTP}`));
    await mesh.weft('apply', '-f', file);
    const programmed = async () => conditionOf((await gatewayState('taken')).conditions, 'Programmed');
    const refused = await until('the refusal', async () => {
      const condition = await programmed();
      return condition?.status === 'False' && condition;
    });
    assert.equal(refused.reason, 'PortUnavailable');
    const who = process.platform === 'linux' ? ` by \\S+ \\(pid ${process.pid}\\)` : '';
    assert.match(
      refused.message,
      new RegExp(`listener web: 127\\.0\\.0\\.1:${port} is already in use${who}.*another port`),
    );
    assert.match(await mesh.weftOk('get', 'gateways'), /^taken .* False /m);
    assert.match(
      readFileSync(join(mesh.state, 'logs/gateway.log'), 'utf8'),
      new RegExp(`:${port} is already in use.*PORT_TAKEN`),
    );
    assert.equal(await get(mesh.gateway), 200);

    server.close();
    await until('the gateway to take the port', async () => (await programmed())?.status === 'True');
    assert.ok([403, 404].includes(await get(`http://127.0.0.1:${port}`)));
  });
});

describe('clients of the gateway', () => {
  test('slow, idle and vanishing clients keep nobody else from being served', async () => {
    for (let i = 0; i < 5; i++) assert.equal(await get(mesh.gateway), 200);
    assert.match(await crowd.slow, /^HTTP\/1\.1 408 /);
    assert.equal(await get(mesh.gateway), 200);
  });
});

describe('weft run', () => {
  const names = async (prefix: string): Promise<string[]> => {
    const { items } = await mesh.client().list(WORKLOAD, { namespace: 'default' });
    return items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith(prefix));
  };
  const SLEEP = ['node', '-e', 'setInterval(() => {}, 1000)'];
  /** The processes that a run has started: the program is the one that is not weft. */
  const processesOf = (name: string) => mesh.processes().filter(({ args }) => args.some((arg) => arg.includes(name)));

  test('slips on the command line are told before anything joins', async () => {
    await fails(
      ['run', '--service=nobody', '--port=80', '--', '/no/such/program'],
      1,
      /^error: \/no\/such\/program is not found \(PROGRAM_NOT_STARTED\)/m,
    );
    await fails(['run', '--service=nobody', '--', 'no-such-program'], 1, /^error: no-such-program is not found/m);
    await fails(['run', '--service=nobody'], 2, /^error: no program to run \(USAGE\)/m, /try: .* -- /);
    await fails(['run', '--', 'true'], 2, /--service/);
    await fails(['run', '--service=nobody', '--port=http', '--', 'true'], 2, /--port/);
    await fails(['get', 'service', 'nobody'], 1, /does not exist/);
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`while it waits for a control plane that does not answer, ${signal} ends all of it`, async () => {
      const { server, port } = await listenOn();
      const away = [
        `--control=127.0.0.1:${port}`,
        ...joinWith('none').filter((arg) => /root-cert|token-file/.test(arg)),
      ];
      const run = mesh.start('run', '--service=waiting', ...away, '--', 'true');
      await until('the proxy to start', () => processesOf('--name=waiting').length > 0);
      run.child.kill(signal);
      await run.finished;
      await until('no process to be left', () => processesOf('waiting').length === 0);
      server.close();
    });
  }

  test('the exit code of the program is passed on, a signal as a shell says it', async () => {
    assert.equal((await mesh.weft('run', '--service=brief', '--', 'sh', '-c', 'exit 7')).code, 7);
    assert.equal((await mesh.weft('run', '--service=brief', '--', 'sh', '-c', 'kill -9 $$')).code, 137);
    assert.deepEqual(await names('brief'), []);
  });

  test('a program that does not listen where it should stays out, and it is said why', async () => {
    const { server, port } = await listenOn();
    server.close();
    const run = mesh.start('run', '--service=deaf', `--port=${port}`, '--', ...SLEEP, 'deaf-program');
    await until('the reason', () => run.stderr().includes(`nothing listens on 127.0.0.1:${port}`));
    const [name] = await names('deaf');
    assert.match(await mesh.weftOk('get', 'workloads'), new RegExp(`^${name} .* Starting `, 'm'));
    assert.match(
      await mesh.weftOk('describe', 'workload', name!),
      new RegExp(`Healthy .*nothing listens on 127\\.0\\.0\\.1:${port}`),
    );
    run.child.kill('SIGTERM');
    assert.equal((await run.finished).code, 0);
    assert.deepEqual(await names('deaf'), []);
  });

  for (const [victim, isVictim] of Object.entries({
    'its program': (args: readonly string[]) => args.includes('mortal-program') && !args.includes('run'),
    'weft run itself': (args: readonly string[]) => args.includes('mortal-program') && args.includes('run'),
  })) {
    test(`after kill -9 of ${victim} the workload is gone and no process is left`, async () => {
      const run = mesh.start('run', '--service=mortal', '--', ...SLEEP, 'mortal-program');
      await until('the workload', async () => (await names('mortal')).length === 1);
      const found = await until('the process', () => mesh.processes().find(({ args }) => isVictim(args)));
      process.kill(found.pid, 'SIGKILL');
      await until('the workload to be gone', async () => (await names('mortal')).length === 0);
      await run.finished;
      await until('no process to be left', () => processesOf('mortal').length === 0);
    });
  }

  test('after kill -9 of its proxy the program is in the mesh again', async () => {
    const run = mesh.start('run', '--service=lasting', '--', ...SLEEP, 'lasting-program');
    const proxy = async () => (await names('lasting')).length === 1 && processesOf('--name=lasting')[0];
    const first = await until('the proxy', proxy);
    process.kill(first.pid, 'SIGKILL');
    await until('another proxy', () => {
      const [next] = processesOf('--name=lasting');
      return next !== undefined && next.pid !== first.pid;
    });
    await until('the workload', async () => (await names('lasting')).length === 1);
    run.child.kill('SIGTERM');
    assert.equal((await run.finished).code, 0);
    assert.deepEqual(processesOf('lasting'), []);
  });

  test('a control plane that is killed while a program joins is waited for', async () => {
    const { pid } = JSON.parse(readFileSync(join(mesh.state, 'control.json'), 'utf8')) as { pid: number };
    const run = mesh.start('run', '--service=late', '--', ...SLEEP, 'late-program');
    await until('the proxy to start', () => processesOf('--name=late').length > 0);
    process.kill(pid, 'SIGKILL');
    await until('the workload', async () => (await names('late')).length === 1, 60_000);
    run.child.kill('SIGINT');
    assert.equal((await run.finished).code, 0);
  });
});
