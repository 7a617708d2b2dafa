import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../client/client.ts';
import type { Clock } from '../lib/clock.ts';
import { WeftError } from '../lib/errors.ts';
import type { Resource } from '../model/resource.ts';
import { requireKind } from './kind-names.ts';
import { awaitStatus, statusWarnings } from './status-wait.ts';

/** A clock that is moved on by each pause, at once. */
const pausingClock = (): Clock => {
  let now = 0;
  return {
    now: () => now,
    monotonic: () => now,
    after: (ms, fn) => {
      now += ms;
      queueMicrotask(fn);
      return { cancel: () => {} };
    },
    every: () => ({ cancel: () => {} }),
  };
};

const route = (status?: unknown): Resource => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'r', namespace: 'default', generation: 2 },
  ...(status === undefined ? {} : { status }),
});

const parents = (status: string, observedGeneration: number) => ({
  parents: [
    {
      parentRef: { name: 'shop' },
      conditions: [
        {
          type: 'ResolvedRefs',
          status,
          reason: 'BackendNotFound',
          message: 'no x',
          observedGeneration,
          lastTransitionTime: '',
        },
      ],
    },
  ],
});

const clientWith = (answers: (Resource | Error)[]) => {
  let calls = 0;
  const get = async () => {
    const answer = answers[Math.min(calls++, answers.length - 1)]!;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { client: { get } as unknown as Client, calls: () => calls };
};

const kind = requireKind('httproute');

test('it waits for the status of this very spec, and says what is wrong', async () => {
  const { client, calls } = clientWith([route(), route(parents('True', 1)), route(parents('False', 2))]);
  const done = await awaitStatus(client, [{ kind, resource: route() }], pausingClock());
  equal(calls(), 3);
  deepEqual(done.flatMap(statusWarnings), ['parent Gateway/shop: ResolvedRefs=False (BackendNotFound): no x']);
});

test('the conditions with which a Gateway begins are no status yet', async () => {
  const gateway = (status: string, reason: string): Resource => ({
    ...route({ conditions: [{ type: 'Accepted', status, reason, message: '', lastTransitionTime: '' }] }),
    kind: 'Gateway',
  });
  const began = { kind: requireKind('gateway'), resource: gateway('Unknown', 'Pending') };
  const { client, calls } = clientWith([began.resource, gateway('False', 'Invalid')]);
  deepEqual(statusWarnings(began), ['has no status yet; "weft describe" shows it later']);
  const done = await awaitStatus(client, [began], pausingClock());
  equal(calls(), 2);
  deepEqual(done.flatMap(statusWarnings), ['Accepted=False (Invalid)']);
});

test('it gives up after a while', async () => {
  const { client } = clientWith([route()]);
  const done = await awaitStatus(client, [{ kind, resource: route() }], pausingClock());
  deepEqual(done.flatMap(statusWarnings), ['has no status yet; "weft describe" shows it later']);
});

test('what is gone meanwhile, and kinds without a status, are no matter', async () => {
  const { client } = clientWith([new WeftError('API_NOT_FOUND', 'gone')]);
  deepEqual(await awaitStatus(client, [{ kind, resource: route() }], pausingClock()), []);
  const secret = requireKind('secret');
  const never = clientWith([new Error('not called')]);
  const one = { kind: secret, resource: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } } };
  deepEqual((await awaitStatus(never.client, [one], pausingClock())).flatMap(statusWarnings), []);
});
