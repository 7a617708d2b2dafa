// The API through client-go, the Gateway API's clientset and controller-runtime, unmodified. The checks are in kubernetes-clients/.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { openTestApi, type TestApi } from '../fakes/api.ts';
import { buildKubernetesClients } from '../fakes/kubernetes-clients.ts';

const CHECKS = 13;

let t: TestApi;
before(async () => {
  t = await openTestApi();
});
after(() => t.close());

test("Kubernetes' clients", async (suite) => {
  const env = { ...process.env, KUBECONFIG: join(t.dataDir, 'kubeconfig') };
  const program = spawn(buildKubernetesClients(), [], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  program.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk).slice(-100_000);
  });
  let found = 0;
  for await (const line of createInterface({ input: program.stdout })) {
    const { name, error }: { name: string; error?: string } = JSON.parse(line);
    found++;
    await suite.test(name, () => assert.equal(error, undefined, log));
  }
  assert.equal(found, CHECKS, log);
});
