// A control plane alone, as `weft control` starts it, that a test kills and starts again on the same state and ports. Used by
// certificates.test.ts.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type ControlInfo, dataDirAt, readControlInfo } from '../../src/app/data-dir.ts';
import { openLocalClient } from '../../src/app/local-api.ts';
import { findFreePort } from '../../src/app/ports.ts';
import type { Client } from '../../src/client/client.ts';
import { environmentFor, newDataDir, ROOT, type Running, startProgram } from './mesh.ts';
import { until } from './until.ts';

/** What the control plane on a data directory says of itself. */
export const readControl = (dataDir: string): ControlInfo => readControlInfo(dataDirAt(dataDir));

export interface ControlUnderTest {
  client(): Client;
  /** Starts `weft …` for this control plane and leaves it running; killed on close if it is still there. */
  start(...args: string[]): Running;
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const startControl = async (...flags: string[]): Promise<ControlUnderTest> => {
  const dataDir = newDataDir();
  const env = environmentFor(dataDir);
  const names = ['api', 'browser', 'xds', 'xds-tls'];
  const ports: string[] = [];
  for (const name of names) ports.push(`--${name}-port=${await findFreePort('127.0.0.1')}`);
  const started: Running[] = [];
  const start = (...args: string[]): Running => {
    const running = startProgram(join(ROOT, 'bin/weft'), args, env);
    started.push(running);
    return running;
  };
  const startOnce = async (): Promise<Running> => {
    const running = start('control', ...ports, ...flags);
    await until('the control plane to serve', () => /^api /m.test(running.stdout()));
    return running;
  };
  let control = await startOnce();
  const clients: Client[] = [];
  return {
    client: () => {
      const client = openLocalClient(dataDir);
      clients.push(client);
      return client;
    },
    start,
    kill: async () => {
      control.child.kill('SIGKILL');
      await control.finished;
    },
    restart: async () => {
      control = await startOnce();
    },
    close: async () => {
      for (const client of clients) client.close();
      for (const { child } of started) child.kill('SIGTERM');
      await Promise.all(started.map(({ finished }) => finished));
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
