// Snapshots put together from what the own form sends: only what changed comes, and all else stays the same objects.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { updateSorted } from '../lib/lists.ts';
import type { RouteTable, Snapshot, VirtualHost } from '../model/snapshot.ts';
import { SnapshotAssembly } from './assembly.ts';
import { OWN_TYPES, openOwnForm } from './own-form.ts';
import { Subscription } from './subscription.ts';
import { decodeDeltaResponse, encodeDeltaResponse } from './wire.ts';

const host = (name: string, routes: VirtualHost['routes'] = []): VirtualHost => ({ name, domains: [name], routes });

const table = (name: string, ...virtualHosts: VirtualHost[]): RouteTable => ({ name, virtualHosts, tunnels: [] });

const snapshot = (revision: number, ...tables: RouteTable[]): Snapshot => ({
  revision,
  listeners: new Map(),
  routes: new Map(tables.map((one) => [one.name, one])),
  clusters: new Map(),
  endpoints: new Map(),
  secrets: new Map(),
  names: new Map(),
});

/** A form and an assembly, and what goes from one to the other. */
const connect = () => {
  const form = openOwnForm();
  const assembly = new SnapshotAssembly();
  const subscriptions = OWN_TYPES.map((type) => new Subscription(type));
  for (const subscription of subscriptions) subscription.change(['*'], [], true, false);
  return (next: Snapshot) => {
    const sent: string[] = [];
    for (const subscription of subscriptions) {
      const { typeUrl } = subscription;
      const { upserts, removals } = subscription.difference(form.resources(next, typeUrl));
      subscription.sent({ upserts, removals }, '', '');
      const fields = upserts.map(({ deltaField }) => deltaField);
      const message = decodeDeltaResponse(encodeDeltaResponse('', typeUrl, '', fields, removals));
      assert.deepEqual(assembly.take(message), []);
      sent.push(...upserts.map(({ name }) => name), ...removals.map((name) => `-${name}`));
    }
    return { sent: sent.filter((name) => name !== 'snapshot'), taken: assembly.complete()! };
  };
};

describe('tables of routes', () => {
  const [a, b, c] = [host('a.test'), host('b.test'), host('c.test')];

  it('come whole at first', () => {
    const send = connect();
    const first = snapshot(1, table('one', a, b), table('two', c));
    const { sent, taken } = send(first);
    assert.deepEqual(sent, ['one a.test', 'one b.test', 'two c.test', 'one', 'two']);
    assert.deepEqual(taken, first);
  });

  it('stay the same objects but for the one host that changed', () => {
    const send = connect();
    const [other] = [table('two', c)];
    const before = send(snapshot(1, table('one', a, b), other)).taken;
    const changed = host('b.test', [
      {
        name: 'r',
        match: { path: { type: 'prefix', value: '/' }, headers: [], queryParams: [] },
        filters: [],
        action: { type: 'direct', status: 200, body: '' },
      },
    ]);
    const next = snapshot(2, table('one', a, changed), other);
    const { sent, taken } = send(next);
    assert.deepEqual(sent, ['one b.test']);
    assert.deepEqual(taken, next);
    assert.equal(taken.routes.get('two'), before.routes.get('two'));
    assert.equal(taken.routes.get('one')?.virtualHosts[0], before.routes.get('one')?.virtualHosts[0]);
  });

  it('lose a host, and go with their hosts', () => {
    const send = connect();
    send(snapshot(1, table('one', a, b), table('two', c)));
    const less = send(snapshot(2, table('one', b), table('two', c)));
    assert.deepEqual(less.sent, ['-one a.test']);
    assert.deepEqual(less.taken.routes.get('one'), table('one', b));
    const gone = send(snapshot(3, table('one', b)));
    assert.deepEqual(gone.sent, ['-two c.test', '-two']);
    assert.deepEqual([...gone.taken.routes.keys()], ['one']);
  });

  it('are what was sent, however their lists came to be, and nothing comes twice', () => {
    const send = connect();
    const byName = (x: VirtualHost, y: VirtualHost) => (x.name < y.name ? -1 : x.name > y.name ? 1 : 0);
    const hostsOf = ({ routes }: Snapshot) =>
      new Map([...routes].map(([name, { virtualHosts }]) => [name, virtualHosts.toSorted(byName)]));
    const other = table('two', c);
    let hosts: readonly VirtualHost[] = Array.from({ length: 20 }, (_, i) => host(`h${i + 10}.test`));
    let { taken } = send(snapshot(0, table('one', ...hosts), other));
    for (let step = 1; step < 80; step++) {
      const old = hosts[(step * 7) % hosts.length]!;
      if (step % 4 === 0) hosts = updateSorted(hosts, [old], [], byName);
      else if (step % 4 === 1) hosts = updateSorted(hosts, [], [host(`n${step}.test`)], byName);
      else hosts = updateSorted(hosts, [old], [{ ...old, domains: [`${step}.test`] }], byName);
      // Now and then by a list that remembers nothing, beside another table that changed, or with the table away.
      const one = { ...table('one'), virtualHosts: step % 11 === 0 ? [...hosts] : hosts };
      const beside = step % 9 === 0 ? table('two', host('c.test'), host(`${step}.test`)) : other;
      const isAway = step % 13 === 0;
      const next = snapshot(step, ...(isAway ? [] : [one]), beside);
      const { sent, taken: now } = send(next);
      taken = now ?? taken;
      assert.deepEqual(hostsOf(taken), hostsOf(next), `step ${step}`);
      if (step % 13 > 1) assert.ok(sent.length <= 3, `step ${step}: ${sent}`);
    }
  });
});
