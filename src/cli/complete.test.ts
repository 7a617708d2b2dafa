import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { fakeTerminal } from '../../test/fakes/terminal.ts';
import { runProgram } from './program.ts';

const complete = async (...words: string[]): Promise<string[]> => {
  const terminal = fakeTerminal({ env: { HOME: '/nonexistent' } });
  await runProgram(['__complete', '--', ...words], terminal);
  equal(terminal.err(), '');
  return terminal.out().split('\n').filter(Boolean);
};

test('the candidates for a word depend on what stands before it', async () => {
  deepEqual(await complete('de'), ['describe', 'delete']);
  deepEqual(await complete('get', 'grpcr'), ['grpcroutes']);
  deepEqual(await complete('get', 'services', '--fie'), ['--field-selector']);
  deepEqual(await complete('get', '-o', 'y'), ['yaml']);
  deepEqual(await complete('token', ''), ['create', 'show']);
  deepEqual(await complete('token', 'create', '--ser'), ['--service-account', '--server']);
  deepEqual(await complete('completion', 'z'), ['zsh']);
  deepEqual(await complete('nonsense', ''), []);
});

test('without a network there are no names, and no error either', async () => {
  deepEqual(await complete('get', 'services', ''), []);
});
