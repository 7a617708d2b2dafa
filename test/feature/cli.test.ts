// The command line as people use it: real `weft` processes against a real API.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { audiences } from '../../src/api/user.ts';
import { openTestApi, type TestApi } from '../fakes/api.ts';
import { runWeft, startWeft, type WeftOptions } from '../fakes/weft-process.ts';

const root = join(import.meta.dirname, '..', '..');
const mesh = join(root, 'examples', 'shop', 'mesh.yaml');

let api: TestApi;
let folder: string;

before(async () => {
  api = await openTestApi();
  folder = mkdtempSync(join(tmpdir(), 'weft-cli-'));
});

after(async () => {
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

const weft = (args: readonly string[], options: WeftOptions = {}) =>
  runWeft(args, { dataDir: api.dataDir, ...options });

/** A command that must go well; answers what it printed. */
const good = async (args: readonly string[], options: WeftOptions = {}): Promise<string> => {
  const { code, out, err } = await weft(args, options);
  equal(code, 0, `weft ${args.join(' ')}: ${err}`);
  return out;
};

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
};

const service = (name: string, port = 80, namespace = 'default') =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: ${namespace} }\nspec: { ports: [{ port: ${port} }] }\n`;

const namespace = (name: string) => `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }\n`;

describe('apply, get and delete', () => {
  test('files are created, then unchanged, then configured', async () => {
    const path = file('life/a.yaml', service('life'));
    equal(await good(['apply', '-f', path]), 'service/life created\n');
    equal(await good(['apply', '-f', path]), 'service/life unchanged\n');
    writeFileSync(path, service('life', 81));
    equal(await good(['apply', '-f', path, '--dry-run=client']), 'service/life configured (dry run)\n');
    equal(await good(['apply', '-f', path, '--dry-run']), 'service/life configured (server dry run)\n');
    equal(await good(['apply', '-f', path]), 'service/life configured\n');
    match(await good(['get', 'svc', 'life']), /^NAME +TYPE .*\nlife +ClusterIP .* 81\/TCP +\d+s\n$/);
    equal(await good(['get', 'svc/life', '-o', 'name']), 'service/life\n');
    const json = JSON.parse(await good(['get', 'svc/life', '-o', 'json'])) as { spec: { ports: unknown[] } };
    equal(json.spec.ports.length, 1);
    equal(await good(['delete', '-f', path, '--dry-run']), 'service "life" deleted (server dry run)\n');
    equal(await good(['delete', '-f', path]), 'service "life" deleted\n');
    const gone = await weft(['get', 'svc', 'life']);
    equal(gone.code, 1);
    match(
      gone.err,
      /^error: service\/life does not exist in namespace default \(API_NOT_FOUND\)\n {2}try: weft get services -n default\n$/,
    );
  });

  test('a folder is taken with all below it, and standard input', async () => {
    file('tree/one.yaml', service('tree-a'));
    file('tree/below/two.yml', service('tree-b'));
    file('tree/notes.txt', 'not a manifest');
    equal(await good(['apply', '-f', join(folder, 'tree')]), 'service/tree-b created\nservice/tree-a created\n');
    const input = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'tree-c' },
      spec: { ports: [{ port: 1 }] },
    });
    equal(await good(['apply', '-f', '-'], { input }), 'service/tree-c created\n');
    equal(await good(['delete', 'svc', 'tree-a', 'tree-b', 'tree-c']).then((out) => out.split('\n').length), 4);
  });

  test('the example of the shop applies as it is', async () => {
    const out = await good(['apply', '--no-wait', '-f', mesh]);
    match(out, /^serviceaccount\/front created\n/);
    const again = await good(['apply', '--no-wait', '-f', mesh]);
    ok(
      again
        .trim()
        .split('\n')
        .every((line) => line.endsWith(' unchanged')),
      again,
    );
    const all = await good(['get', 'all']);
    match(all, /^NAME .*\nservice\/catalogue /);
    match(all, /\n\nNAME .*\nhttproute\.gateway\.networking\.k8s\.io\/shop /);
    equal(await good(['get', 'services', '-l', 'nothing=here']), '');
    match(await good(['get', 'services', '--field-selector', 'metadata.name=front']), /^NAME.*\nfront .*\n$/);
    match(await good(['get', 'services', '-A']), /^NAMESPACE +NAME .*\ndefault +catalogue /);
    const list = await good(['get', 'services,gateways', '-o', 'yaml']);
    match(list, /^apiVersion: v1\nkind: List\n/);
    match(
      await good(['describe', 'svc', 'reviews']),
      /\nWorkloads:\n {2}none has the labels app=reviews; "weft run --service reviews" starts one\n/,
    );
    const set = `apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: team, namespace: default }
spec: { parentRef: { name: shop }, listeners: [{ name: http, port: 80, protocol: HTTP }] }
`;
    await good(['apply', '--no-wait', '-f', file('set.yaml', set)]);
    match(
      await good(['describe', 'gateway/shop']),
      /\nListenerSets:\n {2}ListenerSet default\/team\n+Routes:\n {2}HTTPRoute default\/shop\n/,
    );
  });

  test('nothing found is said on standard error and is no failure', async () => {
    const { code, out, err } = await weft(['get', 'workloads']);
    deepEqual([code, out, err], [0, '', 'No resources found in default namespace.\n']);
    const list = await weft(['get', 'workloads', '-o', 'json']);
    deepEqual((JSON.parse(list.out) as { items: unknown[] }).items, []);
  });

  test('one name that is missing does not hide the others', async () => {
    await good(['apply', '-f', file('two.yaml', service('two'))]);
    const { code, out, err } = await weft(['get', 'svc', 'tow', 'two', '-o', 'name']);
    deepEqual([code, out], [1, 'service/two\n']);
    match(err, /try: did you mean two\?/);
    const deleted = await weft(['delete', 'svc', 'nope', 'two']);
    deepEqual([deleted.code, deleted.out], [1, 'service "two" deleted\n']);
    equal((await weft(['delete', 'svc', 'nope', '--ignore-not-found'])).code, 0);
  });
});

describe('bad input', () => {
  test('every problem of every file is listed with its place, and nothing is applied', async () => {
    const broken = file('bad/broken.yaml', 'a: [1\n');
    const fields = file(
      'bad/fields.yaml',
      `${service('bad-good')}---\n${service('bad-other').replace('spec:', 'spce:')}`,
    );
    const { code, out, err } = await weft(['apply', '-f', broken, '-f', fields]);
    deepEqual([code, out], [1, '']);
    ok(err.includes(`(YAML_INVALID)\n  at: ${broken}:2:1`) || err.includes(`(YAML_INVALID)\n  at: ${broken}:1:`), err);
    ok(
      err.includes(`error: unknown field "spce" (UNKNOWN_FIELD)\n  at: ${fields}:9:1\n  try: did you mean "spec"?\n`),
      err,
    );
    match(err, /\d problems in 2 files; nothing was applied\n$/);
    equal((await weft(['get', 'svc', 'bad-good'])).code, 1);
  });

  test('an unknown field may be let through on demand', async () => {
    const path = file('warn.yaml', `${service('warn')}extra: 1\n`);
    const { code, out, err } = await weft(['apply', '-f', path, '--validate=warn']);
    deepEqual([code, out], [0, 'service/warn created\n']);
    match(err, /^warning: .*warn\.yaml:5:1: unknown field "extra"\n/);
  });

  test('what the API refuses is found before anything is written', async () => {
    const path = file('refused.yaml', `${service('refused-a')}---\n${service('refused-b', 80, 'nowhere')}`);
    const { code, out, err } = await weft(['apply', '-f', path]);
    deepEqual([code, out], [1, '']);
    match(err, /namespaces "nowhere" not found.*\(API_NOT_FOUND\)\n {2}at: .*refused\.yaml:6 \(service\/refused-b\)\n/);
    match(err, /1 resource refused; nothing was applied\n$/);
    equal((await weft(['get', 'svc', 'refused-a'])).code, 1);
  });

  test('a failure midway says what was applied and what was not', async () => {
    // Too large for the API; it can't be checked before, as its namespace does not exist yet.
    const paths = Array.from({ length: 40_000 }, (_, i) => `/${String(i).padStart(50, '0')}`).join(',');
    const policy =
      'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: huge, namespace: midway }\n';
    const huge = `${policy}spec: { rules: [{ to: [{ operation: { paths: [${paths}] } }] }] }\n`;
    const path = file('midway.yaml', [huge, service('later', 80, 'midway'), namespace('midway')].join('---\n'));
    const { code, out, err } = await weft(['apply', '-f', path]);
    deepEqual([code, out], [1, 'namespace/midway created\nservice/later created\n']);
    match(err, /\(API_TOO_LARGE\)\n {2}at: .*midway\.yaml:1 \(authorizationpolicy\.security\.istio\.io\/huge\)\n/);
    match(
      err,
      /2 of 3 resources applied, as printed above; not applied:\n {2}authorizationpolicy\.security\.istio\.io\/huge \(.*:1\)\n$/,
    );
  });

  test('files that are not there, or hold nothing', async () => {
    const cases: [string, RegExp][] = [
      [join(folder, 'nope.yaml'), /nope\.yaml does not exist \(FILE_NOT_FOUND\)/],
      [join(folder, 'tree', '..', 'empty'), /has no \.yaml, \.yml or \.json file \(FILE_NOT_FOUND\)/],
      ['https://example.com/x.yaml', /URLs are not supported \(USAGE\)/],
      [file('nothing.yaml', '# nothing\n'), /there is no resource in the files \(NO_RESOURCES\)/],
    ];
    mkdirSync(join(folder, 'empty'), { recursive: true });
    for (const [path, want] of cases) match((await weft(['apply', '-f', path])).err, want);
  });
});

describe('the connection', () => {
  const kubeconfig = (change: (text: string) => string): string =>
    file(`kubeconfig-${readdirSync(folder).length}`, change(readFileSync(join(api.dataDir, 'kubeconfig'), 'utf8')));

  test('each way in which it can fail is told apart', async () => {
    const expired = await api.tokens.issue({ subject: 'admin', groups: [], audience: audiences.api, ttlMs: -60_000 });
    const account = await api.tokens.issue({
      subject: 'system:serviceaccount:default:x',
      audience: audiences.api,
      ttlMs: 60_000,
    });
    const withToken = (token: string) => kubeconfig((text) => text.replace(/token: .*/, `token: ${token}`));
    const foreign = await openTestApi();
    const foreignText = readFileSync(join(foreign.dataDir, 'kubeconfig'), 'utf8');
    const authority = /certificate-authority-data: .*/.exec(foreignText)![0];
    await foreign.close();
    const cases: Record<string, [kubeconfig: string, want: RegExp]> = {
      'nothing listens': [
        kubeconfig((text) => text.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${foreign.port}`)),
        /^error: nothing listens at https:\/\/127\.0\.0\.1:\d+ \(CLIENT_UNREACHABLE\)\n {2}at: .*\n {2}try: is "weft up" running\?/,
      ],
      'another authority': [
        kubeconfig((text) => text.replace(/certificate-authority-data: .*/, authority)),
        /is not signed by the trusted authority \(CLIENT_UNTRUSTED\)/,
      ],
      'a wrong token': [withToken('wrong'), /\(API_UNAUTHORIZED\)\n {2}try: use the kubeconfig/],
      'an expired token': [
        withToken(expired.token),
        /the token expired.* \(API_TOKEN_EXPIRED\)\n {2}try: make a new one/,
      ],
      'a token without rights': [withToken(account.token), /\(API_FORBIDDEN\)/],
    };
    for (const [name, [path, want]] of Object.entries(cases)) {
      const { code, err } = await weft(['get', 'services', '--kubeconfig', path]);
      equal(code, 1, name);
      match(err, want, name);
      ok(!err.includes('    at '), `${name} shows a stack: ${err}`);
    }
  });

  test('flags alone reach the API', async () => {
    const caFile = file('ca.pem', api.caPem);
    const args = [
      '--server',
      `https://127.0.0.1:${api.port}`,
      '--token-file',
      api.tokens.adminTokenFile,
      '--ca-file',
      caFile,
    ];
    const { code, out } = await runWeft(['get', 'namespaces', '-o', 'name', ...args]);
    equal(code, 0);
    match(out, /^namespace\/default\n/);
  });

  test('the version of both sides', async () => {
    match(await good(['version']), /^weft +\d+\.\d+\.\d+ \(Node \d+.*\)\nnetwork +v1\..* at https:/);
    const alone = await runWeft(['version']);
    equal(alone.code, 0);
    match(alone.out, /\nnetwork +none: no network is known on this machine yet\n/);
  });
});

describe('watching', () => {
  test('each change is a line, until Ctrl-C', async () => {
    await good(['apply', '-f', file('watch.yaml', service('watched'))]);
    const watch = startWeft(['get', 'svc', '-w', '--field-selector', 'metadata.name=watched'], {
      dataDir: api.dataDir,
    });
    await watch.shows(/\nwatched .* 80\/TCP/);
    await good(['apply', '-f', file('watch.yaml', service('watched', 8080))]);
    await watch.shows(/\nwatched .* 8080\/TCP/);
    await good(['delete', 'svc', 'watched']);
    await watch.shows(/\nwatched .* deleted\n/);
    watch.process.kill('SIGINT');
    const { code, out, err } = await watch.result;
    deepEqual([code, err], [130, '']);
    equal(out.split('\n').filter((line) => line.startsWith('NAME')).length, 1);
  });

  test('names and documents can be watched too', async () => {
    const watch = startWeft(['get', 'svc', '-w', '-o', 'name'], { dataDir: api.dataDir });
    await good(['apply', '-f', file('named.yaml', service('named'))]);
    await watch.shows(/service\/named\n/);
    watch.process.kill('SIGTERM');
    equal((await watch.result).code, 130);
  });

  test('a reader that goes away ends it quietly', async () => {
    const watch = startWeft(['get', 'svc', '-w', '-o', 'json'], { dataDir: api.dataDir });
    await watch.shows(/"kind"/);
    watch.process.stdout.destroy();
    await good(['apply', '-f', file('pipe.yaml', service('pipe'))]);
    const { code, err } = await watch.result;
    deepEqual([code, err], [0, '']);
  });
});

describe('edit', () => {
  const editor = (name: string, script: string): string => {
    const path = file(name, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o700);
    return path;
  };

  test('a change is saved; what is refused opens again with the reason', async () => {
    await good(['apply', '-f', file('edit.yaml', service('edited'))]);
    const seen = join(folder, 'seen');
    const EDITOR = editor(
      'editor.sh',
      `if [ -f ${seen} ]; then cp "$1" ${seen}.again; sed -i.old 's/prot: 80/port: 90/' "$1"; else touch ${seen}; sed -i.old 's/- port: 80/- prot: 80/' "$1"; fi`,
    );
    equal(await good(['edit', 'svc', 'edited'], { env: { EDITOR } }), 'service/edited edited\n');
    match(await good(['get', 'svc/edited', '-o', 'yaml']), /- port: 90\n/);
    const again = readFileSync(`${seen}.again`, 'utf8');
    const reason = /# line (\d+): unknown field "spec\.ports\[0\]\.prot" \(did you mean "port"\?\)\n/.exec(again);
    equal(again.split('\n')[Number(reason?.[1]) - 1], '    - prot: 80');
    ok((await good(['get', 'svc/edited', '-o', 'json'])).includes('last-applied'), 'the annotation of apply stays');
  });

  test('no change, no editor, and giving up', async () => {
    const unchanged = await weft(['edit', 'svc', 'edited'], { env: { EDITOR: 'true' } });
    deepEqual([unchanged.code, unchanged.err], [0, 'Edit cancelled, no changes made.\n']);
    const missing = await weft(['edit', 'svc', 'edited'], { env: { EDITOR: 'no-such-editor' } });
    equal(missing.code, 1);
    match(missing.err, /error: the editor "no-such-editor" is not found \(EDITOR_FAILED\)/);
    const giveUp = editor('give-up.sh', `sed -i.old 's/- port: 90/- port: 999999/' "$1"`);
    const kept = await weft(['edit', 'svc', 'edited'], { env: { EDITOR: giveUp, TMPDIR: folder } });
    equal(kept.code, 1);
    const path = /your changes are kept in (.*)\n/.exec(kept.err)?.[1] ?? '';
    ok(existsSync(path) && readFileSync(path, 'utf8').includes('999999'), kept.err);
  });
});

describe('the rest', () => {
  test('a token joins as its service account', async () => {
    await good(['apply', '--no-wait', '-f', mesh]);
    const token = (await good(['token', 'create', '--service-account', 'reviews', '--duration', '30m'])).trim();
    const user = await api.tokens.verify(token, audiences.ca);
    equal(user.name, 'system:serviceaccount:default:reviews');
    const shown = await good(['token', 'show']);
    equal(shown, `kubeconfig   ${join(api.dataDir, 'kubeconfig')}\nadmin token  ${api.tokens.adminTokenFile}\n`);
    ok(!shown.includes(readFileSync(api.tokens.adminTokenFile, 'utf8').trim()));
  });

  test('completion asks the network for names', async () => {
    const out = await good(['__complete', '--', 'get', 'services', 'rev']);
    deepEqual(out.trim().split('\n'), ['reviews', 'reviews-v1', 'reviews-v2']);
  });

  test('nothing is coloured where no screen is', async () => {
    ok(!(await good(['get', 'all'])).includes('\u001b'));
  });
});
