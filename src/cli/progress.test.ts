import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { fakeTerminal } from '../../test/fakes/terminal.ts';
import { openProgress } from './progress.ts';

test('progress shows after a second, rewrites its line, and goes away', () => {
  const clock = new FakeClock();
  const terminal = fakeTerminal({ isScreen: true });
  const progress = openProgress(terminal, clock);
  progress.update('1 of 9');
  progress.clear();
  equal(terminal.err(), '');
  clock.advance(1000);
  progress.update('5 of 9');
  progress.update('6 of 9');
  clock.advance(100);
  progress.update('7 of 9');
  progress.clear();
  progress.clear();
  equal(terminal.err(), '\r\u001b[K5 of 9\r\u001b[K7 of 9\r\u001b[K');
});

test('there is none where no screen is', () => {
  const clock = new FakeClock();
  const terminal = fakeTerminal();
  const progress = openProgress(terminal, clock);
  clock.advance(5000);
  progress.update('5 of 9');
  progress.clear();
  equal(terminal.err(), '');
});
