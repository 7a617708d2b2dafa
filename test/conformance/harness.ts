// One run of the suite, inside namespaces of its own, where this is the first process: all ends with it. Started by run.ts
// with its options as JSON; ends when its standard input does.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openEndpointSlices } from './cluster/endpoint-slices.ts';
import { openNetwork, UNUSABLE_ADDRESS, USABLE_ADDRESS } from './cluster/network.ts';
import { openNode } from './cluster/node.ts';
import { openPods } from './cluster/pods.ts';
import type { HarnessOptions } from './options.ts';
import { startWeft } from './weft.ts';

const PROFILES = ['HTTP', 'GRPC', 'TLS', 'TCP', 'UDP'].map((name) => `GATEWAY-${name}`).join(',');

const runSuite = ({ tools, folder, suiteFlags, claimed }: HarnessOptions, kubeconfig: string): Promise<number> => {
  const flags = [
    '-test.v',
    '-test.timeout=0',
    '-gateway-class=weft',
    `-conformance-profiles=${PROFILES}`,
    `-usable-address=${USABLE_ADDRESS}`,
    `-unusable-address=${UNUSABLE_ADDRESS}`,
    '-cleanup-base-resources=false',
    ...suiteFlags,
  ];
  const log = createWriteStream(join(folder, 'suite.log'));
  const child = spawn(tools.suite, flags, {
    env: { ...process.env, KUBECONFIG: kubeconfig, ...(claimed && { WEFT_CLAIMED_FEATURES: '1' }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: folder,
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.pipe(log, { end: false });
    stream.pipe(process.stdout, { end: false });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
};

const main = async (options: HarnessOptions): Promise<number> => {
  const { folder, tools, engine } = options;
  openNetwork();
  const weft = await startWeft(folder, engine);
  const { client, kubeconfig } = weft;
  const { signal } = new AbortController();
  mkdirSync(join(folder, 'pods'));
  const pods = openPods({ client, folder: join(folder, 'pods'), program: tools.echo, signal });
  const slices = openEndpointSlices(client, signal);
  await openNode(client, pods.running);
  await Promise.all([pods.ready, slices.ready]);
  return runSuite(options, kubeconfig);
};

// Whoever started it is gone: with this process its namespaces end, and all that is in them.
process.stdin.on('end', () => process.exit(1)).resume();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => process.exit(130));
process.exit(await main(JSON.parse(process.argv[2]!)));
