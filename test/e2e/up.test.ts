// `weft up` as a newcomer meets it: what it says, how it ends, how it goes on from kept state, and what it refuses.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fetchPage } from './load.ts';
import { environmentFor, type Finished, newDataDir, ROOT, runProgram, startMesh } from './mesh.ts';

const tempDataDir = (t: TestContext): string => {
  const dir = newDataDir();
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

const weft = (dataDir: string, ...args: string[]): Promise<Finished> =>
  runProgram(join(ROOT, 'bin/weft'), args, environmentFor(dataDir));

const upOnFreePorts = (...flags: string[]): string[] => [
  'up',
  '--no-demo',
  ...['api', 'browser', 'xds', 'xds-tls'].map((name) => `--${name}-port=0`),
  ...flags,
];

/** A user's mistake: it fails, says what, where and what to do, and shows no stack. */
const assertRefused = ({ code, stdout, stderr }: Finished, what: RegExp) => {
  const said = `${stdout}${stderr}`;
  assert.equal(code, 1, said);
  assert.match(stderr, /^error: .+ \([A-Z_]+\)$/m, said);
  assert.match(stderr, what, said);
  assert.match(stderr, /^ {2}try: /m, said);
  assert.doesNotMatch(said, /^\s+at .*\(?(node:|file:|\/).*:\d+:\d+/m, 'no stack trace');
};

test('a second start goes on from the kept state; meanwhile a second one on it is refused', async (t) => {
  const dataDir = tempDataDir(t);
  const first = await startMesh({ dataDir });
  try {
    await fetchPage(first.gateway);
    assertRefused(await weft(dataDir, ...upOnFreePorts()), /already/);
    await first.weftOk('apply', '-f', 'examples/tour/split.yaml');
    const extra = join(dataDir, 'extra.yaml');
    const spec = '{ selector: { app: extra }, ports: [{ port: 80 }] }';
    writeFileSync(extra, `{ apiVersion: v1, kind: Service, metadata: { name: extra }, spec: ${spec} }\n`);
    await first.weftOk('apply', '-f', extra);
    await first.weftOk('delete', 'service', 'extra');
  } finally {
    await first.stop();
  }
  assertRefused(await weft(dataDir, 'get', 'services'), /CLIENT_UNREACHABLE/);

  const second = await startMesh({ dataDir, flags: ['--gateway-addresses=127.91.0.0/24'] });
  try {
    assert.match(second.gateway, /^http:\/\/127\.91\.0\.1:/);
    await fetchPage(second.gateway);
    assert.match(await second.weftOk('get', 'httproutes'), /^reviews /m);
    assert.doesNotMatch(await second.weftOk('get', 'services'), /^extra /m, 'what was deleted stays deleted');
  } finally {
    await second.stop();
  }
});

test('the link to the console signs a browser in; without it nothing is shown', async () => {
  const mesh = await startMesh({ flags: ['--no-demo'] });
  try {
    const { origin } = new URL(mesh.console);
    assert.equal((await fetch(`${origin}/api/v1/services`)).status, 401);
    const entered = await fetch(mesh.console, { redirect: 'manual' });
    assert.equal(entered.status, 303);
    const cookie = entered.headers.get('set-cookie')!.split(';')[0]!;
    const page = await fetch(`${origin}/`, { headers: { cookie } });
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<h1>Weft<\/h1>/);
    for (const path of ['/page.js', '/page.css', '/api/v1/services', '/weft/v1/stats']) {
      assert.equal((await fetch(`${origin}${path}`, { headers: { cookie } })).status, 200, path);
    }
  } finally {
    await mesh.stop();
  }
});

test('a port that another program has is named, with what to do', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  t.after(() => holder.close());
  const { port } = holder.address() as AddressInfo;
  const refused = await weft(tempDataDir(t), ...upOnFreePorts(`--api-port=${port}`));
  assertRefused(refused, new RegExp(`port ${port} .*taken.*PORT_TAKEN`));
  assert.match(refused.stderr, /--api-port/);
});

test('a damaged store is refused and left as it is', async (t) => {
  const dataDir = tempDataDir(t);
  const store = join(dataDir, 'store.db');
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(store, 'this is no database\n'.repeat(500));
  const before = readFileSync(store);
  assertRefused(await weft(dataDir, ...upOnFreePorts()), /STORE_(CORRUPT|UNREADABLE)/);
  assert.deepEqual(readFileSync(store), before);
});

test('a data directory that can not be used is refused', async (t) => {
  const dataDir = tempDataDir(t);
  const file = join(dataDir, 'a-file');
  writeFileSync(file, '');
  assertRefused(await weft(file, ...upOnFreePorts()), /DATA_DIR_UNUSABLE/);
});

const usage: Record<string, { args: string[]; says: RegExp }> = {
  'a mistyped command names the nearest one': { args: ['upp'], says: /did you mean|up/ },
  'a mistyped flag names the nearest one': { args: ['up', '--api-prt', '1'], says: /--api-port/ },
  'a port that is no number is refused': { args: ['up', '--api-port', 'many'], says: /--api-port/ },
};
for (const [name, { args, says }] of Object.entries(usage)) {
  test(name, async (t) => {
    const { code, stderr } = await weft(tempDataDir(t), ...args);
    assert.equal(code, 2);
    assert.match(stderr, says);
    assert.doesNotMatch(stderr, /^\s+at /m);
  });
}
