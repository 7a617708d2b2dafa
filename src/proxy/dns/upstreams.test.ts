import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '../../../test/fakes/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { parseResolvConf } from './resolv-conf.ts';
import { Upstreams } from './upstreams.ts';

const CONFS: Readonly<Record<string, { text: string; want: Partial<ReturnType<typeof parseResolvConf>> }>> = {
  'servers in their order, of both families': {
    text: 'nameserver 10.0.0.1\nnameserver fd00::1\n',
    want: { servers: ['10.0.0.1', 'fd00::1'] },
  },
  'no more than three': {
    text: ['1', '2', '3', '4'].map((n) => `nameserver 10.0.0.${n}`).join('\n'),
    want: { servers: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] },
  },
  'what is no address, no keyword or a comment is passed over': {
    text: '# nameserver 1.1.1.1\n; x\nnameserver localhost\nnonsense\nnameserver 10.0.0.1 # ours\r\n\0\xff',
    want: { servers: ['10.0.0.1'] },
  },
  'the last of search and domain counts': {
    text: 'domain a.test\nsearch X.test. svc.cluster.local\n',
    want: { search: ['x.test', 'svc.cluster.local'] },
  },
  'options within bounds': {
    text: 'options timeout:99 attempts:3 rotate',
    want: { timeoutMs: 10_000, attempts: 3 },
  },
  'options that are no numbers are as if absent': {
    text: 'options timeout:x attempts:0',
    want: { timeoutMs: 2000, attempts: 2 },
  },
  nothing: { text: '', want: { servers: [], search: [], timeoutMs: 2000, attempts: 2 } },
};

test('resolv.conf is read as the system reads it', () => {
  for (const [sentence, { text, want }] of Object.entries(CONFS)) {
    const { servers, search, timeoutMs, attempts } = parseResolvConf(text);
    assert.deepEqual(
      { ...{ servers, search, timeoutMs, attempts }, ...want },
      { servers, search, timeoutMs, attempts },
      sentence,
    );
  }
});

test('the file is followed, without asking oneself; what is gone for a moment stays as it was', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-dns-'));
  t.after(() => rm(folder, { recursive: true }));
  const resolvConf = join(folder, 'resolv.conf');
  const clock = new FakeClock();
  let changes = 0;
  const upstreams = new Upstreams({
    resolvConf,
    isSelf: ({ address }) => address === '127.0.0.1',
    clock,
    log: silentLog,
    onChange: () => changes++,
  });
  const addresses = async () => {
    clock.advance(1000);
    return (await upstreams.current()).map(({ address, port }) => `${address} ${port}`);
  };
  assert.deepEqual(await addresses(), []);
  await writeFile(resolvConf, 'nameserver 127.0.0.1\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n');
  assert.deepEqual(await addresses(), ['10.0.0.1 53', '10.0.0.2 53']);
  await rm(resolvConf);
  assert.deepEqual(await addresses(), ['10.0.0.1 53', '10.0.0.2 53']);
  upstreams.note({ address: '10.0.0.1', port: 53 }, false);
  assert.deepEqual(await addresses(), ['10.0.0.2 53', '10.0.0.1 53']);
  clock.advance(30_000);
  assert.deepEqual(await addresses(), ['10.0.0.1 53', '10.0.0.2 53']);
  await writeFile(resolvConf, 'nameserver 10.0.0.3\n');
  assert.deepEqual(await addresses(), ['10.0.0.3 53']);
  assert.equal(changes, 1, 'what was kept of the servers before is thrown away');
});
