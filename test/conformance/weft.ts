// The Weft under test: a control plane and one gateway process, as a user starts them. Opened by the harness.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { openLocalClient } from '../../src/app/local-api.ts';
import type { Client } from '../../src/client/client.ts';
import { authorizationPolicy } from '../../src/kinds/authorization-policy/schema.ts';
import { GATEWAY_BLOCK } from './cluster/network.ts';

export interface Weft {
  readonly kubeconfig: string;
  readonly client: Client;
  stop(): Promise<void>;
}

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

/** Writes what it says to `<name>.log`; `ready` resolves with the first line that matches. */
const start = (name: string, folder: string, args: readonly string[], ready: RegExp) => {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = createWriteStream(join(folder, `${name}.log`));
  let said = '';
  const isReady = new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        log.write(text);
        if (said.length > 1e6) return;
        said += text;
        if (ready.test(said)) resolve();
      });
    }
    child.once('exit', (code, signal) => reject(new Error(`weft ${name} ended (${signal ?? code}):\n${said}`)));
  });
  return { child, isReady };
};

const ended = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve(undefined);
    child.once('exit', resolve);
    child.kill('SIGTERM');
  });

export const startWeft = async (folder: string, engine: string): Promise<Weft> => {
  const data = join(folder, 'data');
  const inData = [`--data-dir=${data}`];
  const control = start('control', folder, ['control', `--gateway-addresses=${GATEWAY_BLOCK}`, ...inData], /^api /m);
  await control.isReady;
  const client = openLocalClient(data);
  // A new mesh lets nobody in; the suite expects a cluster without policies.
  await client.delete(authorizationPolicy, 'default-deny', { namespace: 'weft-system' });
  const flags = ['--role=gateway', '--name=gateway', '--namespace=weft-system', `--engine=${engine}`];
  const gateway = start('gateway', folder, ['proxy', ...flags, ...inData], /ready|serves|connected/i);
  gateway.isReady.catch((error) => console.error(String(error)));
  return {
    kubeconfig: join(data, 'kubeconfig'),
    client,
    stop: async () => {
      client.close();
      await ended(gateway.child);
      await ended(control.child);
    },
  };
};
