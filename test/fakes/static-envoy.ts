// A real Envoy with the listeners and clusters that a test gives it, without a control plane.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEnvoy } from '../../src/envoy/find.ts';
import { pause, systemClock } from '../../src/lib/clock.ts';

export interface StaticEnvoy {
  /** Of a listener by name. */
  port(name: string): number;
  close(): Promise<void>;
}

export const typed = (type: string, fields: object = {}) => ({
  '@type': `type.googleapis.com/envoy.${type}`,
  ...fields,
});

export const socketAt = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });

const LIMIT_MS = 30_000;

interface Listening {
  readonly name: string;
  readonly local_address: { readonly socket_address: { readonly port_value: number } };
}

export const startStaticEnvoy = async (resources: {
  listeners: object[];
  clusters: object[];
}): Promise<StaticEnvoy> => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-static-'));
  const adminFile = join(dir, 'admin');
  const bootstrap = { admin: { address: socketAt(0) }, static_resources: resources };
  const { path } = await findEnvoy({ env: process.env });
  const flags = ['--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning'];
  const args = ['--config-yaml', JSON.stringify(bootstrap), '--admin-address-path', adminFile, ...flags];
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const gone = once(child, 'exit');
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const close = async () => {
    child.kill('SIGKILL');
    await gone;
    rmSync(dir, { recursive: true, force: true });
  };
  const listening = async (): Promise<readonly Listening[]> => {
    const answer = await fetch(`http://${readFileSync(adminFile, 'utf8')}/listeners?format=json`);
    return ((await answer.json()) as { listener_statuses?: Listening[] }).listener_statuses ?? [];
  };
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const found = await listening().catch(() => []);
    if (found.length === resources.listeners.length) {
      const ports = new Map(found.map(({ name, local_address }) => [name, local_address.socket_address.port_value]));
      return { port: (name) => ports.get(name)!, close };
    }
    if (child.exitCode !== null || Date.now() > end) {
      await close();
      throw new Error(`Envoy does not serve: ${log}`);
    }
    await pause(systemClock, 20);
  }
};
