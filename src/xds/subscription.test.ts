// What a client of the incremental protocol refused stays known until it takes that, or needs it no more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EncodedResource } from './form.ts';
import { Subscription } from './subscription.ts';

const resource = (name: string): EncodedResource => ({ name, version: '1' }) as EncodedResource;

type Step =
  | { readonly send: readonly string[]; readonly error?: string }
  | { readonly remove: readonly string[]; readonly error?: undefined };

const after = (...steps: readonly Step[]): string[] => {
  const subscription = new Subscription('listeners');
  subscription.wildcard = true;
  for (const [i, step] of steps.entries()) {
    const [upserts, removals] = 'send' in step ? [step.send.map(resource), []] : [[], step.remove];
    subscription.sent({ upserts, removals }, `${i}`, `${i}`);
    subscription.acknowledge(`${i}`, step.error, i);
  }
  return subscription.refusals;
};

const CASES: Record<string, { steps: Step[]; want: string[] }> = {
  'a refusal is kept': { steps: [{ send: ['a'], error: 'no a' }], want: ['no a'] },
  'an answer without it changes nothing': { steps: [{ send: ['a'], error: 'no a' }, { send: ['b'] }], want: ['no a'] },
  'it is gone when it is taken': { steps: [{ send: ['a'], error: 'no a' }, { send: ['a', 'b'] }], want: [] },
  'it is gone when it is removed': { steps: [{ send: ['a'], error: 'no a' }, { remove: ['a'] }], want: [] },
  'two are kept side by side': {
    steps: [
      { send: ['a'], error: 'no a' },
      { send: ['b'], error: 'no b' },
    ],
    want: ['no a', 'no b'],
  },
  'the newest words count': {
    steps: [
      { send: ['a'], error: 'no a' },
      { send: ['a'], error: 'still no a' },
    ],
    want: ['still no a'],
  },
  'an answer with nothing can be refused too': { steps: [{ send: [], error: 'no' }], want: ['no'] },
  'and is gone with the next': { steps: [{ send: [], error: 'no' }, { send: ['b'] }], want: [] },
};
for (const [name, { steps, want }] of Object.entries(CASES)) test(name, () => assert.deepEqual(after(...steps), want));
