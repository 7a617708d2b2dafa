// `weft apply` and `kubectl apply` taking turns on the same files: neither undoes nor repeats what the other did.
import { deepEqual, equal, match } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openTestApi, type TestApi } from '../fakes/api.ts';
import { KUBECTL, kubectlMissing } from '../fakes/kubectl.ts';
import { runWeft } from '../fakes/weft-process.ts';

const skip = kubectlMissing();

let api: TestApi;
before(async () => {
  api = await openTestApi();
});
after(() => api.close());

const weft = async (args: readonly string[], input = ''): Promise<string> => {
  const { code, out, err } = await runWeft(args, { dataDir: api.dataDir, input });
  equal(code, 0, `weft ${args.join(' ')}: ${err}`);
  return out;
};

const kubectl = (args: readonly string[], input = ''): Promise<string> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, KUBECONFIG: join(api.dataDir, 'kubeconfig'), HOME: api.dataDir };
    const child = execFile(KUBECTL, args, { env, timeout: 60_000 }, (error, out, err) => {
      if (error) reject(new Error(`kubectl ${args.join(' ')}: ${err}`));
      else resolve(out);
    });
    child.stdin?.on('error', () => {}).end(input);
  });

const route = (weight: number, extra = '') => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: split, labels: { tour: "3"${extra} }, annotations: { note: "<a>&" } }
spec:
  parentRefs: [{ group: "", kind: Service, name: reviews }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: "/a" } }]
      backendRefs:
        - { name: reviews-v1, port: 9080, weight: ${weight} }
        - { name: reviews-v2, port: 9080, weight: ${100 - weight} }
`;

const name = 'httproute.gateway.networking.k8s.io/split';

test('both see the same resource as unchanged, whoever wrote it', { skip }, async () => {
  equal(await kubectl(['apply', '-f', '-'], route(90, ', extra: x')), `${name} created\n`);
  equal(await weft(['apply', '--no-wait', '-f', '-'], route(90, ', extra: x')), `${name} unchanged\n`);
  equal(await weft(['apply', '--no-wait', '-f', '-'], route(50)), `${name} configured\n`);
  // The label that kubectl had set is gone, as weft knew from kubectl's annotation that it was set by apply.
  const { metadata } = JSON.parse(await weft(['get', 'httproute', 'split', '-o', 'json'])) as {
    metadata: { labels: Record<string, string> };
  };
  deepEqual(metadata.labels, { tour: '3' });
  // Who manages which field is there to be asked for, not to be read past.
  deepEqual(
    Object.keys(metadata).filter((field) => field === 'managedFields'),
    [],
  );
  match(await kubectl(['apply', '-f', '-'], route(50)), /split (unchanged|configured)\n$/);
  equal(await weft(['apply', '--no-wait', '-f', '-'], route(50)), `${name} unchanged\n`);
});

test('what another tool sets beside apply stays', { skip }, async () => {
  await weft(['apply', '--no-wait', '-f', '-'], route(10));
  await kubectl(['label', 'httproute', 'split', 'owner=someone']);
  equal(await weft(['apply', '--no-wait', '-f', '-'], route(20)), `${name} configured\n`);
  match(await kubectl(['get', 'httproute', 'split', '--show-labels']), /owner=someone/);
});

test('tables are the same but for the space between columns', { skip }, async () => {
  // kubectl leaves a cell without a value empty; weft says <none>, which scripts can split.
  const spaced = (text: string) =>
    text
      .replace(/<none>/g, '')
      .replace(/ +/g, ' ')
      .replace(/\d+s\b/g, 'AGE')
      .replace(/ \n/g, '\n');
  for (const args of [
    ['get', 'httproutes'],
    ['get', 'services', '-A'],
    ['get', 'httproute', 'split', '-o', 'name'],
  ]) {
    equal(spaced(await weft(args)), spaced(await kubectl(args)), args.join(' '));
  }
});
