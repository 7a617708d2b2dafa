// The Go programs of a conformance run: the official suite, and the echo backend of its Pods. Built once into the user's cache.
import { join } from 'node:path';
import { buildGoProgram } from '../fakes/go-program.ts';

export interface Tools {
  readonly suite: string;
  readonly echo: string;
}

export const buildTools = (): Tools => {
  const folder = (name: string) => join(import.meta.dirname, name);
  const echo = 'sigs.k8s.io/gateway-api/conformance/echo-basic';
  return {
    suite: buildGoProgram('conformance', folder('suite'), (out) => ['test', '-c', '-ldflags=-s -w', '-o', out, '.']),
    echo: buildGoProgram('echo-basic', folder('echo'), (out) => ['build', '-ldflags=-s -w', '-o', out, echo]),
  };
};

// Ahead of the tests, so that none of them waits for it.
if (import.meta.main) buildTools();
