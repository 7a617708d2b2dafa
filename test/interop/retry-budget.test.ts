// Both engines stop retrying where too many retries are under way, whatever a route's policy would let them do.
import assert from 'node:assert/strict';
import { Agent, request as httpRequest, type ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import type { RetryBudget } from '../../src/model/snapshot.ts';
import { ENGINES, openEngine } from '../fakes/each-engine.ts';
import { gatewaySnapshot } from '../fakes/engine-pair.ts';
import { cluster, route } from '../fakes/envoy-mesh.ts';
import { openServer } from '../fakes/http-server.ts';
import { until } from '../fakes/raw-peer.ts';

const LOOPBACK = '127.0.0.1';
const REQUESTS = 150;

const BUDGETS: Readonly<Record<string, { readonly retryBudget?: RetryBudget; readonly retries: number }>> = {
  'the usual budget': { retries: 100 },
  'a budget of its own': { retryBudget: { percent: 0, intervalMs: 10_000, minimum: 10 }, retries: 10 },
};

for (const name of ENGINES) {
  describe(`retries of ${name}`, () => {
    for (const [title, { retries, ...budget }] of Object.entries(BUDGETS))
      it(`are no more than ${title}`, async () => {
        const waiting: ServerResponse[] = [];
        let seen = 0;
        const program = await openServer((_, response) => {
          seen++;
          waiting.push(response);
        });
        const answerAll = () => {
          for (const response of waiting.splice(0)) response.writeHead(418).end();
        };
        const retry = { attempts: 1, statuses: [418], backoffMs: 1 };
        const action = { type: 'forward', targets: [{ cluster: 'program', weight: 1, filters: [] }], retry } as const;
        const engine = await openEngine(name, ['gateway'], (port) => ({
          ...gatewaySnapshot(
            port('gateway'),
            [{ name: 'all', domains: ['*'], routes: [route({ action })] }],
            [cluster('program', { maxConnections: 1000, maxPendingRequests: 1000, ...budget })],
          ),
          endpoints: new Map([
            [
              'program',
              {
                cluster: 'program',
                endpoints: [{ address: LOOPBACK, port: program.port, mesh: false, weight: 1, health: 'healthy' }],
              },
            ],
          ]),
        }));
        const agent = new Agent();
        try {
          let answered = 0;
          const calls = Array.from(
            { length: REQUESTS },
            () =>
              new Promise<number | undefined>((resolve, reject) => {
                const call = httpRequest({ host: LOOPBACK, port: engine.port('gateway'), agent }, (response) => {
                  answered++;
                  response.resume().on('end', () => resolve(response.statusCode));
                });
                call.on('error', reject).end();
              }),
          );
          await until(() => seen === REQUESTS, 'all requests come');
          answerAll();
          await until(
            () => answered === REQUESTS - retries && seen === REQUESTS + retries,
            () => `${answered} ${seen}`,
          );
          answerAll();
          assert.deepEqual([...new Set(await Promise.all(calls))], [418]);
          assert.equal(seen, REQUESTS + retries);
        } finally {
          agent.destroy();
          await engine.close();
          await program.close();
        }
      });
  });
}
