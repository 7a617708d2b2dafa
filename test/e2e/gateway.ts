// A gateway without a control plane as a user starts it: `weft proxy --resources` on a folder of its own, with two backends.
// Used by the end-to-end tests.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { findFreePort } from '../../src/app/ports.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';
import { environmentFor, ROOT, type Running, startProgram } from './mesh.ts';
import { type MarkedProcess, markedProcesses } from './processes.ts';
import { until } from './until.ts';

const LOOPBACK = '127.0.0.1';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const readAnswer = (response: IncomingMessage): Promise<Answer> =>
  new Promise((resolve, reject) => {
    let body = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    response.on('error', reject);
  });

/** One request; over TLS where `ca` says whom to believe. */
export const ask = (
  port: number,
  path = '/',
  options: { agent?: Agent; ca?: string; sockets?: Set<Socket>; address?: string; host?: string } = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { agent = false, ca, sockets, address = LOOPBACK, host } = options;
    const target = { host: address, port, path, agent, ...(host && { headers: { host } }) };
    const call = ca === undefined ? request(target) : secureRequest({ ...target, agent: false, ca });
    call.on('response', (response) => readAnswer(response).then(resolve, reject));
    call.on('socket', (socket) => sockets?.add(socket));
    call.on('error', reject);
    call.end();
  });

/** Requests one after the other on two kept connections, until `stop`. */
export const startRequests = (port: number, path = '/') => {
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  const failures: string[] = [];
  let count = 0;
  let isStopping = false;
  const worker = async () => {
    while (!isStopping) {
      try {
        const { status, body } = await ask(port, path, { agent });
        if (status !== 200) failures.push(`${status} ${body}`);
      } catch (error) {
        failures.push(String(error));
      }
      count += 1;
    }
  };
  const workers = [worker(), worker()];
  return {
    count: () => count,
    async stop() {
      isStopping = true;
      await Promise.all(workers);
      agent.destroy();
      return { count, failures };
    },
  };
};

/** A Service without a selector and where it is. */
export const backend = (name: string, port: number, protocol = 'http'): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { ports: [{ name: ${protocol}, port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: default, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: ${protocol}, port: ${port} }]
endpoints: [{ addresses: [${LOOPBACK}] }]
`;

/** A Gateway with these listeners, each a line of YAML in flow style. */
export const gatewayOf = (...listeners: string[]): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  gatewayClassName: weft
  listeners:
${listeners.map((line) => `    - ${line}`).join('\n')}
`;

export const httpListener = (port: number, name = 'http'): string => `{ name: ${name}, protocol: HTTP, port: ${port} }`;

/** Sends a path to a backend. */
export const routeTo = (service: string, path = '/', name = 'edge'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: default }
spec:
  parentRefs: [{ name: edge }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: ${path} } }]
      backendRefs: [{ name: ${service}, port: 80 }]
`;

export interface GatewayFolder {
  /** The folder of manifests. */
  readonly dir: string;
  /** Beside it, for whatever else a test writes. */
  readonly root: string;
  /** Writes a manifest as an editor does, in place. */
  write(name: string, ...documents: string[]): void;
  remove(name: string): void;
  freePort(): Promise<number>;
  /** Starts `weft proxy` on the folder and leaves it running; it is ended with the test. */
  start(...flags: string[]): Running;
  /** Starts it and waits until the port answers. */
  serve(port: number, ...flags: string[]): Promise<Running>;
  processes(): MarkedProcess[];
  /** What the gateway has left in the folder for temporary files. */
  leftovers(): string[];
}

/** The backends `one` and `two` answer their names; `/hold` waits until `release`. */
export interface Backends {
  readonly manifests: string;
  /** Requests for `/hold` that wait. */
  held(): number;
  release(): void;
}

const openBackends = async (t: TestContext): Promise<Backends> => {
  const waiting = new Set<() => void>();
  const open = (name: string): Promise<FakeServer> =>
    openServer((call, response) => {
      if (call.url?.startsWith('/hold')) waiting.add(() => response.end(`${name} at last`));
      else response.end(name);
    });
  const [one, two] = [await open('one'), await open('two')];
  t.after(() => Promise.all([one.close(), two.close()]));
  return {
    manifests: [backend('one', one.port), backend('two', two.port)].join('---'),
    held: () => waiting.size,
    release: () => {
      for (const answer of waiting) answer();
    },
  };
};

/** A folder with the backends' manifests in it, and how to run a gateway of this engine on it. */
export const openGatewayFolder = async (
  t: TestContext,
  engine: 'weft' | 'envoy',
): Promise<GatewayFolder & { readonly backends: Backends }> => {
  const root = mkdtempSync(join(tmpdir(), 'weft-gw-'));
  const [dir, temp] = [join(root, 'manifests'), join(root, 'tmp')];
  mkdirSync(dir);
  mkdirSync(temp);
  const mark = `WEFT_TEST_RUN=${randomUUID()}`;
  const cache = join(tmpdir(), 'node-compile-cache');
  const env = { ...environmentFor(join(root, 'data'), mark), TMPDIR: temp, NODE_COMPILE_CACHE: cache };
  const endAll = () => {
    for (const { pid } of markedProcesses(mark)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
  };
  process.once('exit', endAll);
  t.after(() => {
    process.off('exit', endAll);
    endAll();
    rmSync(root, { recursive: true, force: true });
  });
  const backends = await openBackends(t);
  const write = (name: string, ...documents: string[]) => writeFileSync(join(dir, name), documents.join('\n---\n'));
  write('backends.yaml', backends.manifests);
  const start = (...flags: string[]) => {
    const args = ['proxy', '--role', 'gateway', '--resources', dir, '--engine', engine, ...flags];
    return startProgram(join(ROOT, 'bin/weft'), args, env);
  };
  return {
    dir,
    root,
    backends,
    write,
    remove: (name) => rmSync(join(dir, name)),
    freePort: () => findFreePort(LOOPBACK),
    start,
    async serve(port, ...flags) {
      const running = start(...flags);
      const answers = until('the gateway to answer', async () => (await ask(port)).status > 0);
      const ended = running.finished.then(({ code }) => Promise.reject(new Error(`it ended with ${code}`)));
      await Promise.race([answers, ended]).catch((cause) => {
        throw new Error(`the gateway does not answer\n${running.stderr()}`, { cause });
      });
      ended.catch(() => {});
      return running;
    },
    processes: () => markedProcesses(mark),
    leftovers: () => readdirSync(temp).filter((name) => name.startsWith('weft-')),
  };
};

/** Ends it as a service manager does; fails unless it ends with success and leaves nothing behind. */
export const stopGateway = async (folder: GatewayFolder, running: Running): Promise<void> => {
  running.child.kill('SIGTERM');
  const { code, stderr } = await running.finished;
  assert.equal(code, 0, stderr);
  await until('every process of the gateway to end', () => folder.processes().length === 0);
  assert.deepEqual(folder.leftovers(), []);
};
