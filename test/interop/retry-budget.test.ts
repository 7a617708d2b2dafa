// Both engines stop retrying where too many retries are under way, whatever a route's policy would let them do.
import assert from 'node:assert/strict';
import { Agent, request as httpRequest, type ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { ENGINES, openEngine } from '../fakes/each-engine.ts';
import { gatewaySnapshot } from '../fakes/engine-pair.ts';
import { cluster, route } from '../fakes/envoy-mesh.ts';
import { openServer } from '../fakes/http-server.ts';
import { until } from '../fakes/raw-peer.ts';

const LOOPBACK = '127.0.0.1';
const REQUESTS = 150;
const BUDGET = 100;

for (const name of ENGINES) {
  describe(`retries of ${name}`, () => {
    it('are no more than the budget of the cluster', async () => {
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
          [cluster('program', { maxConnections: 1000, maxPendingRequests: 1000 })],
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
          () => answered === REQUESTS - BUDGET && seen === REQUESTS + BUDGET,
          () => `${answered} ${seen}`,
        );
        answerAll();
        assert.deepEqual([...new Set(await Promise.all(calls))], [418]);
        assert.equal(seen, REQUESTS + BUDGET);
      } finally {
        agent.destroy();
        await engine.close();
        await program.close();
      }
    });
  });
}
