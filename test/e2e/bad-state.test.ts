// What keeps a mesh from starting, and what happens when its disk is full: a plain refusal, and nothing is overwritten.
// Commands where nothing runs, and everybody's --help, too.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { findKind } from '../../src/kinds/registry.ts';
import type { Resource } from '../../src/model/resource.ts';
import { environmentFor, type Finished, newDataDir, ROOT, runProgram, startMesh } from './mesh.ts';
import { until } from './until.ts';

const WEFT = join(ROOT, 'bin/weft');
const FREE_PORTS = ['api', 'browser', 'xds', 'xds-tls', 'gateway'].map((name) => `--${name}-port=0`);
const STACK = /^\s+at (?:\S+ )?\(?(?:file:|node:|\/).*:\d+:\d+\)?$/m;

/** State of a mesh that ran once. */
let sound: string;
const dirs: string[] = [];
const newDir = (): string => {
  const dir = newDataDir();
  dirs.push(dir);
  return dir;
};

before(async () => {
  sound = newDir();
  const mesh = await startMesh({ dataDir: sound, flags: ['--no-demo'] });
  await mesh.stop();
});
after(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

const weft = (dataDir: string, ...args: string[]): Promise<Finished> => runProgram(WEFT, args, environmentFor(dataDir));

const refuses = async (dataDir: string, args: readonly string[], ...says: RegExp[]): Promise<void> => {
  const { code, stdout, stderr } = await weft(dataDir, ...args);
  assert.equal(code, 1, stdout + stderr);
  assert.doesNotMatch(stdout + stderr, STACK);
  assert.equal(stderr.match(/^error: /gm)?.length, 1, stderr);
  for (const words of says) assert.match(stderr, words);
};

describe('weft up refuses damaged state and overwrites nothing', () => {
  const cases: Record<string, { damage: (dir: string) => void; file: string; says: RegExp[] }> = {
    'a store that is no database': {
      file: 'store.db',
      damage: (dir) => {
        rmSync(join(dir, 'store.db-wal'), { force: true });
        writeFileSync(join(dir, 'store.db'), 'this is no database '.repeat(500));
      },
      says: [
        /^error: the store at \S+store\.db is damaged: .* \(STORE_CORRUPT\)$/m,
        /try: nothing was overwritten; restore/,
      ],
    },
    'a store that is empty': {
      file: 'store.db',
      damage: (dir) => writeFileSync(join(dir, 'store.db'), ''),
      says: [/is damaged: the file is empty \(STORE_CORRUPT\)/],
    },
    "an authority's key that is damaged": {
      file: 'ca/intermediate.pem',
      damage: (dir) => {
        const file = join(dir, 'ca/intermediate.pem');
        writeFileSync(file, readFileSync(file, 'utf8').replace(/(PRIVATE KEY-----\n)./, '$1_'));
      },
      says: [/^error: the certificate authority cannot be used: .* \(CA_UNREADABLE\)\n {2}at: \S+intermediate\.pem$/m],
    },
    'a key for tokens that is none': {
      file: 'tokens/tokens.key',
      damage: (dir) => writeFileSync(join(dir, 'tokens/tokens.key'), 'garbage'),
      says: [/tokens\.key can't be used: it is not a private key in PEM \(TOKENS_UNREADABLE\)/],
    },
  };
  for (const [name, { damage, file, says }] of Object.entries(cases)) {
    test(name, async () => {
      const dir = newDir();
      cpSync(sound, dir, { recursive: true });
      damage(dir);
      const before = readFileSync(join(dir, file));
      await refuses(dir, ['up', ...FREE_PORTS, '--no-demo'], ...says);
      assert.deepEqual(readFileSync(join(dir, file)), before);
    });
  }

  test('a store that is a folder, and state that is a file', async () => {
    const dir = newDir();
    mkdirSync(join(dir, 'store.db'));
    await refuses(
      dir,
      ['up', ...FREE_PORTS, '--no-demo'],
      /store\.db can't be opened: it is not a file \(STORE_UNREADABLE\)/,
    );
    const file = join(dir, 'file');
    writeFileSync(file, 'mine');
    const says = /can't be used: there is a file where a folder should be \(DATA_DIR_UNUSABLE\)\n {2}try: /;
    await refuses(file, ['up', ...FREE_PORTS], says);
    await refuses(join(file, 'below'), ['up', ...FREE_PORTS], says);
    assert.equal(readFileSync(file, 'utf8'), 'mine');
  });
});

describe('weft up tells what is in its way', () => {
  test('a port that another program has: which, and the flag for another', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const who = process.platform === 'linux' ? `\\S+ \\(pid ${process.pid}\\)` : 'another program';
    for (const [name, use] of [
      ['api', 'API'],
      ['gateway', 'gateway'],
    ]) {
      await refuses(
        newDir(),
        ['up', ...FREE_PORTS, `--${name}-port=${port}`],
        new RegExp(`^error: port ${port} \\(${use}\\) is taken by ${who} \\(PORT_TAKEN\\)`, 'm'),
        new RegExp(`try: end that program, or choose another port with --${name}-port`),
      );
    }
    server.close();
  });

  test('a mesh that runs on the same state already', async () => {
    const dir = newDir();
    // What a control plane left behind that was killed while it wrote.
    writeFileSync(join(dir, 'control.json'), '{');
    const mesh = await startMesh({ dataDir: dir, flags: ['--no-demo'] });
    try {
      await refuses(
        dir,
        ['up', ...FREE_PORTS],
        /^error: weft runs already on \S+: https:\S+ \(pid \d+\) \(ALREADY_UP\)/m,
        /--data-dir/,
      );
      await refuses(dir, ['control', ...FREE_PORTS.slice(0, 4)], /store\.db is in use by process \d+ \(STORE_LOCKED\)/);
    } finally {
      await mesh.stop();
    }
  });
});

describe('commands where nothing runs', () => {
  const cases: Record<string, { args: readonly string[]; says: RegExp }> = {
    'get, on a machine that has no mesh': {
      args: ['get', 'services'],
      says: /\(CLIENT_NO_KUBECONFIG\)[\s\S]*try: .*weft up/,
    },
    'flows, on a machine that has no mesh': { args: ['flows'], says: /\(CLIENT_NO_KUBECONFIG\)[\s\S]*try: .*weft up/ },
    'run, on a machine that has no mesh': {
      args: ['run', '--service=a', '--', 'true'],
      says: /^error: no control plane runs on \S+ \(CONTROL_NOT_FOUND\)\n {2}try: start it with "weft up"/m,
    },
  };
  for (const [name, { args, says }] of Object.entries(cases)) {
    test(name, () => refuses(join(newDir(), 'none'), args, says));
  }
  test('get, where a mesh has ended', () =>
    refuses(sound, ['get', 'services'], /\(CLIENT_UNREACHABLE\)[\s\S]*try: .*weft up/));
});

test('every command has help with examples', async () => {
  const dir = newDir();
  const shown = await Promise.all(
    commands.map(async ({ name }) => ({ name, result: await weft(dir, name, '--help') })),
  );
  for (const { name, result } of shown) {
    assert.equal(result.code, 0, name);
    assert.match(result.stdout, new RegExp(`^Usage: weft ${name}\\b`, 'm'));
    assert.match(result.stdout, /^Examples?:\n {2}.*\bweft /m, name);
    assert.equal(result.stderr, '');
  }
});

const SECRET = findKind('v1', 'Secret')!;

/** A disk of 8 MiB, where this user may make one. */
const mountSmallDisk = (): { dir: string; unmount(): void } | undefined => {
  const dir = newDir();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0700', 'weft-test', dir], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return { dir, unmount: () => execFileSync('umount', [dir]) };
};

test('a full disk: writes are refused, reads and traffic go on, and it recovers', async (t) => {
  const disk = mountSmallDisk();
  if (!disk) return t.skip('needs root on Linux, to make a small disk');
  try {
    const mesh = await startMesh({ dataDir: disk.dir });
    try {
      const filler = join(disk.dir, 'filler');
      for (let size = 8 * 1024; size > 0; size = Math.floor(size / 2)) {
        try {
          writeFileSync(filler, Buffer.alloc(size * 1024), { flag: 'a' });
        } catch {
          // No room for so much: the rest is filled with less.
        }
      }
      const client = mesh.client();
      const data = { a: Buffer.alloc(100_000).toString('base64') };
      const secret = (name: string): Resource & { data: Record<string, string> } => ({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name, namespace: 'default' },
        data,
      });
      const create = (name: string) => client.create(SECRET, secret(name));
      // The log of the database is made ahead: it takes what still finds room in it.
      let written = 0;
      const full = await until('a write to be refused', async () => {
        try {
          await create(`fill-${written}`);
          written++;
          return undefined;
        } catch (error) {
          return error as { code: string; message: string };
        }
      });
      assert.equal(full.code, 'API_STORE_FULL', full.message);
      assert.match(full.message, /nothing was changed/);
      const file = join(newDir(), 'account.yaml');
      writeFileSync(file, `apiVersion: v1\nkind: Secret\nmetadata: {name: big}\ndata: ${JSON.stringify(data)}\n`);
      await refuses(disk.dir, ['apply', '-f', file], /\(API_STORE_FULL\)/, /try: .*[Ff]ree/);
      const { items } = await client.list(SECRET, { namespace: 'default' });
      assert.equal(items.length, written);
      assert.equal((await fetch(mesh.gateway)).status, 200);

      rmSync(filler);
      await until('writes to be taken again', async () => (await create('after')) !== undefined);
      assert.equal((await fetch(mesh.gateway)).status, 200);
    } finally {
      await mesh.stop();
    }
  } finally {
    disk.unmount();
  }
});
