import { deepEqual, equal, throws } from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { WeftError } from '../lib/errors.ts';
import { findConnection, findKubeconfig, parseKubeconfig } from './kubeconfig.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-kubeconfig-'));
after(() => rmSync(folder, { recursive: true }));

const write = (path: string, text: string): string => {
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  return file;
};

interface Parts {
  readonly user?: string;
  readonly cluster?: string;
  readonly context?: string;
}

const kubeconfig = ({ user = 'token: abc', cluster = '', context = '' }: Parts = {}): string => `
apiVersion: v1
kind: Config
current-context: weft
clusters:
- name: c
  cluster:
    server: https://127.0.0.1:7443
    certificate-authority-data: ${Buffer.from('CA PEM').toString('base64')}
    ${cluster}
users:
- name: u
  user: { ${user} }
contexts:
- name: weft
  context: { cluster: c, user: u${context} }
- name: other
  context: { cluster: missing, user: u }
`;

const failure = (run: () => unknown): { code: string; message: string } => {
  try {
    run();
  } catch (error) {
    if (error instanceof WeftError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('did not fail');
};

test('reads server, authority, token and namespace of the current context', () => {
  const connection = parseKubeconfig(kubeconfig({ context: ', namespace: shop' }), 'kc');
  equal(connection.server, 'https://127.0.0.1:7443');
  equal(connection.caPem, 'CA PEM');
  equal(connection.token?.reveal(), 'abc');
  equal(connection.namespace, 'shop');
  equal(connection.origin, 'kc');
});

test('the token never prints', () => {
  equal(JSON.stringify(parseKubeconfig(kubeconfig(), 'kc')).includes('abc'), false);
});

test('a tokenFile is read beside the kubeconfig', () => {
  write('beside/admin.token', 'from-file\n');
  const file = write('beside/kubeconfig', '');
  equal(parseKubeconfig(kubeconfig({ user: 'tokenFile: admin.token' }), file).token?.reveal(), 'from-file');
});

test('what can not be used is said, with the file', () => {
  const cases: Record<string, [text: string, context: string | undefined, message: RegExp]> = {
    'not YAML': ['a: [', undefined, /not YAML/],
    'a scalar': ['hello', undefined, /not an object/],
    'no current context': ['apiVersion: v1', undefined, /no current-context/],
    'a context that is not there': [kubeconfig(), 'nope', /no context "nope"/],
    'a cluster that is not there': [kubeconfig(), 'other', /no cluster "missing"/],
    'a client certificate': [
      kubeconfig({ user: 'client-certificate: x.pem' }),
      undefined,
      /"client-certificate" is not supported/,
    ],
    'a login helper': [kubeconfig({ user: 'exec: {}' }), undefined, /"exec" is not supported/],
    'skipped verification': [kubeconfig({ cluster: 'insecure-skip-tls-verify: true' }), undefined, /not supported/],
  };
  for (const [name, [text, context, message]] of Object.entries(cases)) {
    throws(
      () => parseKubeconfig(text, '/x/kubeconfig', context),
      { code: 'CLIENT_BAD_KUBECONFIG', at: '/x/kubeconfig', message },
      name,
    );
  }
});

test('the kubeconfig is looked for in order', () => {
  const home = join(folder, 'home');
  const env = { HOME: home };
  equal(failure(() => findKubeconfig({}, env)).code, 'CLIENT_NO_KUBECONFIG');
  const written = write('home/.local/share/weft/kubeconfig', '');
  equal(findKubeconfig({}, env), written);
  const configured = write('home/.config/weft/kubeconfig', '');
  equal(findKubeconfig({}, env), configured);
  const listed = write('listed', '');
  equal(findKubeconfig({}, { ...env, KUBECONFIG: `/does/not/exist:${listed}` }), listed);
  equal(findKubeconfig({}, { ...env, KUBECONFIG: listed, WEFT_DATA_DIR: '/data' }), '/data/kubeconfig');
  equal(findKubeconfig({ dataDir: '/given' }, { ...env, WEFT_DATA_DIR: '/data' }), '/given/kubeconfig');
  equal(findKubeconfig({ kubeconfig: '/file', dataDir: '/given' }, env), '/file');
});

test('a kubeconfig that is named and missing is said so', () => {
  const { code, message } = failure(() => findConnection({ kubeconfig: join(folder, 'nope') }, {}));
  deepEqual([code, message], ['CLIENT_NO_KUBECONFIG', 'the kubeconfig does not exist']);
});

test('flags alone make a connection', () => {
  const tokenFile = write('token', 'xyz\n');
  const caFile = write('ca.pem', 'PEM');
  const connection = findConnection({ server: 'https://10.0.0.1:7443', tokenFile, caFile }, {});
  deepEqual([connection.server, connection.caPem, connection.token?.reveal()], ['https://10.0.0.1:7443', 'PEM', 'xyz']);
  equal(failure(() => findConnection({ server: 'nonsense' }, {})).code, 'USAGE');
  equal(failure(() => findConnection({ tokenFile }, {})).code, 'USAGE');
});
