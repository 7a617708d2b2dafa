// An unmodified kubectl that talks to a test's API.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';

export const KUBECTL = process.env.KUBECTL ?? 'kubectl';

/** Why tests with kubectl are skipped; false when it is there. */
export const kubectlMissing = (): string | false => {
  try {
    execFileSync(KUBECTL, ['version', '--client'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'kubectl is not installed: install it, or set KUBECTL to where it is';
  }
};

export interface KubectlResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Kubectl {
  readonly environment: () => NodeJS.ProcessEnv;
  /** Arguments are split at blanks. */
  readonly kubectl: (args: string, input?: string, env?: NodeJS.ProcessEnv) => Promise<KubectlResult>;
  /** Answers what it printed. */
  readonly succeeds: (args: string, input?: string, env?: NodeJS.ProcessEnv) => Promise<string>;
  /** Answers what it complained about. */
  readonly fails: (args: string, input?: string) => Promise<string>;
}

/** `dataDir` is asked at each call; it holds the kubeconfig. */
export const openKubectl = (dataDir: () => string): Kubectl => {
  const environment = () => ({
    ...process.env,
    KUBECONFIG: join(dataDir(), 'kubeconfig'),
    HOME: dataDir(),
    KUBECACHEDIR: join(dataDir(), 'cache'),
  });
  const kubectl: Kubectl['kubectl'] = (args, input = '', env = {}) =>
    new Promise((resolve) => {
      const options = { env: { ...environment(), ...env }, timeout: 60_000 };
      const child = execFile(KUBECTL, args.split(' '), options, (error, out, err) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, out, err });
      });
      child.stdin?.on('error', () => {}).end(input);
    });
  return {
    environment,
    kubectl,
    succeeds: async (args, input, env) => {
      const { code, out, err } = await kubectl(args, input, env);
      assert.equal(code, 0, `kubectl ${args}: ${err}`);
      return out;
    },
    fails: async (args, input) => {
      const { code, err } = await kubectl(args, input);
      assert.notEqual(code, 0, `kubectl ${args} should have failed`);
      return err;
    },
  };
};
