import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../../test/e2e/until.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { openLog } from '../lib/log.ts';
import { openResourceFolder } from './resource-folder.ts';

const serviceOf = (name: string, port = 80): string =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec: { ports: [{ port: ${port} }] }\n`;

interface Spec {
  readonly ports: readonly { readonly port: number }[];
}

const tempDir = (t: TestContext): string => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-folder-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

const openFolder = (t: TestContext, dir: string, clock: Clock = systemClock) => {
  let said = '';
  const write = (line: string) => {
    said += line;
  };
  const log = openLog('test', { level: 'info', json: false, write, now: () => 0 });
  const folder = openResourceFolder(dir, clock, log, () => {});
  t.after(() => folder.close());
  /** `name:port` of each Service. */
  const services = () =>
    folder
      .resources()
      .filter(({ kind }) => kind === 'Service')
      .map(({ metadata, spec }) => `${metadata.name}:${(spec as Spec).ports[0]!.port}`)
      .join(' ');
  return {
    folder,
    services,
    becomes: (wanted: string) =>
      until(`the services to be "${wanted}"`, () => services() === wanted).catch((cause) => {
        throw new Error(`they are "${services()}"; it says: ${said}`, { cause });
      }),
    says: (pattern: RegExp) => until(`it to say ${pattern}`, () => pattern.test(said)),
    count: (pattern: RegExp) => [...said.matchAll(new RegExp(pattern, 'gm'))].length,
  };
};

type Opened = ReturnType<typeof openFolder> & { readonly dir: string; write(name: string, text: string): void };

const cases: Record<string, (opened: Opened) => Promise<void>> = {
  'follows edits, new files and deleted ones': async ({ dir, write, becomes }) => {
    write('a.yaml', serviceOf('a', 81));
    await becomes('a:81');
    write('b.yml', serviceOf('b'));
    await becomes('a:81 b:80');
    rmSync(join(dir, 'a.yaml'));
    await becomes('b:80');
  },

  'follows files that are replaced by renaming, as editors do': async ({ dir, write, becomes }) => {
    for (const port of [81, 82, 83]) {
      write('next', serviceOf('a', port));
      renameSync(join(dir, 'next'), join(dir, 'a.yaml'));
      await becomes(`a:${port}`);
    }
  },

  'follows folders inside, also new ones': async ({ dir, write, becomes }) => {
    mkdirSync(join(dir, 'x/y'), { recursive: true });
    write('x/y/b.yaml', serviceOf('b'));
    await becomes('a:80 b:80');
    write('x/y/b.yaml', serviceOf('b', 90));
    await becomes('a:80 b:90');
    rmSync(join(dir, 'x'), { recursive: true });
    await becomes('a:80');
  },

  'follows a link that is turned to another folder, as mounts of a ConfigMap are': async ({ dir, becomes }) => {
    for (const port of [81, 82]) {
      mkdirSync(join(dir, `..${port}`));
      writeFileSync(join(dir, `..${port}`, 'm.yaml'), serviceOf('m', port));
    }
    symlinkSync('..81', join(dir, '..data'));
    symlinkSync('..data/m.yaml', join(dir, 'm.yaml'));
    await becomes('a:80 m:81');
    symlinkSync('..82', join(dir, '..next'));
    renameSync(join(dir, '..next'), join(dir, '..data'));
    await becomes('a:80 m:82');
  },

  'leaves hidden files and other files alone': async ({ dir, write, becomes, services, count }) => {
    write('.a.yaml.swp', 'x: [');
    write('.hidden.yaml', 'x: [');
    write('notes.txt', 'x: [');
    symlinkSync('nowhere', join(dir, 'dangling.yaml'));
    write('b.yaml', serviceOf('b'));
    await becomes('a:80 b:80');
    assert.equal(services(), 'a:80 b:80');
    assert.equal(count(/error|warn/), 0);
  },

  'a broken file keeps what it said, and is told once': async ({ write, becomes, says, services, count }) => {
    write('a.yaml', `${serviceOf('a', 99)}  bad: [`);
    await says(/error test: \S+\/a\.yaml:5:\d+: not valid YAML: .* code=YAML_INVALID\n/);
    await says(/what the file said before goes on file=\S+\/a\.yaml\n/);
    write('b.yaml', serviceOf('b'));
    await becomes('a:80 b:80');
    assert.equal(services(), 'a:80 b:80');
    assert.equal(count(/not valid YAML/), 1);
    write('a.yaml', serviceOf('a', 99));
    await becomes('a:99 b:80');
  },

  'nothing of a new file is used when a part of it is wrong': async ({ write, becomes, says }) => {
    write('b.yaml', `${serviceOf('b')}---\napiVersion: v1\nkind: Servise\nmetadata: { name: c }\n`);
    await says(/b\.yaml:7:1: kind "Servise" in apiVersion "v1" is not supported \(.*Service.*\) code=UNKNOWN_KIND/);
    await says(/nothing of the file is used/);
    write('c.yaml', serviceOf('c'));
    await becomes('a:80 c:80');
  },

  'an unknown field is a warning, and the rest is used': async ({ write, becomes, says }) => {
    write('b.yaml', `${serviceOf('b')}  `.replace('spec: {', 'spec: { sesionAffinity: None,'));
    await says(/warn test: \S+b\.yaml:4:\d+: .*sesionAffinity.*sessionAffinity/);
    await becomes('a:80 b:80');
  },

  'a resource that two files have is told with both places, and the latter is used': async ({
    write,
    becomes,
    says,
  }) => {
    write('b.yaml', `# b\n${serviceOf('a', 90)}`);
    await says(/Service shop\/a is there twice, at \S+a\.yaml:1 and at \S+b\.yaml:2; the latter is used/);
    await becomes('a:90');
  },

  'what is no file, or too large, is told and not read': async ({ dir, write, becomes, says }) => {
    execFileSync('mkfifo', [join(dir, 'pipe.yaml')]);
    write('large.yaml', `# ${'x'.repeat(17 * 1024 * 1024)}`);
    await says(/a file can not be read.*pipe\.yaml.*it is not a file/);
    await says(/a file can not be read.*large\.yaml.*larger than 16 MiB/);
    write('b.yaml', serviceOf('b'));
    await becomes('a:80 b:80');
  },

  'a folder that goes away keeps what it said, and is followed again when it is back': async (opened) => {
    const { dir, becomes, says, services, write, count } = opened;
    renameSync(dir, `${dir}-away`);
    await says(/error test: what the folder said before goes on reason=.*does not exist/);
    assert.equal(services(), 'a:80');
    renameSync(`${dir}-away`, dir);
    await says(/the folder can be read again/);
    write('a.yaml', serviceOf('a', 99));
    await becomes('a:99');
    assert.equal(count(/goes on/), 1);
  },

  'knows where a resource stands, adds its namespace and a class of its own': async ({ folder }) => {
    const metadata = { name: 'a', namespace: 'shop' };
    assert.match(folder.placeOf({ apiVersion: 'v1', kind: 'Service', metadata }) ?? '', /\/a\.yaml:1$/);
    assert.equal(folder.placeOf({ apiVersion: 'v1', kind: 'Secret', metadata }), undefined);
    const names = folder.resources().map(({ kind, metadata: { name } }) => `${kind} ${name}`);
    assert.deepEqual(names.sort(), ['GatewayClass weft', 'Namespace shop', 'Service a']);
  },
};

for (const [name, run] of Object.entries(cases)) {
  test(name, async (t) => {
    const dir = tempDir(t);
    const write = (file: string, text: string) => writeFileSync(join(dir, file), text);
    write('a.yaml', serviceOf('a'));
    await run({ ...openFolder(t, dir), dir, write });
  });
}

test('a file that is emptied keeps what it said for a moment, as when a program is about to fill it', (t) => {
  const [dir, clock] = [tempDir(t), new FakeClock()];
  const write = (text: string) => writeFileSync(join(dir, 'a.yaml'), text);
  write(serviceOf('a'));
  const { services } = openFolder(t, dir, clock);
  const lookAgain = () => clock.advance(2_000);
  write('');
  lookAgain();
  assert.equal(services(), 'a:80');
  write(serviceOf('a', 81));
  lookAgain();
  assert.equal(services(), 'a:81');
  write('');
  lookAgain();
  lookAgain();
  assert.equal(services(), '');
});

const refused: Record<string, { path: (dir: string) => string; why: RegExp }> = {
  'a folder that does not exist': { path: (dir) => join(dir, 'none'), why: /it does not exist/ },
  'a file': { path: (dir) => join(dir, 'file'), why: /it is not a folder/ },
  'a folder that this user may not read': { path: (dir) => join(dir, 'closed'), why: /permission denied/ },
};

for (const [name, { path, why }] of Object.entries(refused)) {
  // Root may read everything.
  if (name.includes('may not') && process.getuid?.() === 0) continue;
  test(`refuses ${name}`, (t) => {
    const dir = tempDir(t);
    writeFileSync(join(dir, 'file'), '');
    mkdirSync(join(dir, 'closed'));
    chmodSync(join(dir, 'closed'), 0);
    assert.throws(() => openFolder(t, path(dir)), { code: 'FOLDER_UNREADABLE', message: why });
    chmodSync(join(dir, 'closed'), 0o700);
  });
}
