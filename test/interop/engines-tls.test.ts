// TLS on both engines: Weft's own proxy and a real Envoy take the same clients and tell programs the same of them.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { holdFreePort } from '../../src/app/ports.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { openProxy } from '../../src/proxy/proxy.ts';
import { AccessLogs } from '../fakes/access-logs.ts';
import { startEnvoy } from '../fakes/envoy-process.ts';
import { type FakeServer, openServer } from '../fakes/http-server.ts';
import { type Asked, ask, type Credentials, MODES, makeCredentials, tlsSnapshot } from '../fakes/tls-cases.ts';
import { openXdsPlane, proxyNode } from '../fakes/xds-plane.ts';

const LOOPBACK = '127.0.0.1';

/** Says what it was told of the client. */
const echo: RequestListener = (request, response) => {
  response.end(JSON.stringify({ xfcc: request.headers['x-forwarded-client-cert'] }));
};

interface Engine {
  readonly port: number;
  close(): Promise<void>;
}

const freePort = async (): Promise<number> => {
  const held = await holdFreePort(LOOPBACK);
  await held.release();
  return held.port;
};

const openWeft = async (credentials: Credentials, program: number): Promise<Engine> => {
  const port = await freePort();
  const node = proxyNode({ role: 'gateway', name: 'edge' });
  const proxy = openProxy({ node, onEvent: () => {}, clock: systemClock, random: systemRandom, log: silentLog });
  assert.deepEqual(await proxy.apply({ revision: 1, ...tlsSnapshot(credentials, { gateway: port, program }) }), []);
  return { port, close: () => proxy.close() };
};

const openRealEnvoy = async (credentials: Credentials, program: number): Promise<Engine> => {
  const plane = await openXdsPlane({ services: [new AccessLogs().service] });
  const port = await freePort();
  plane.feed.publish(tlsSnapshot(credentials, { gateway: port, program }));
  const node = proxyNode({ engine: 'envoy' });
  const svid = plane.svid('shop', 'reviews');
  const envoy = await startEnvoy({ node, xds: plane.mutual, svid, protocol: 'DELTA_GRPC' });
  await envoy.until('an answer', async () => (await ask(port, 'any.test'))?.status === 200);
  return {
    port,
    close: async () => {
      await envoy.close();
      await plane.close();
    },
  };
};

const clients = ['client', 'unknown', 'revoked', 'nobody'] as const;
type Client = (typeof clients)[number];

/** Who is let in, by server name. */
const ADMITTED: Readonly<Record<string, readonly Client[]>> = {
  'any.test': clients,
  'needs.test': ['client', 'revoked'],
  'may.test': ['client', 'revoked', 'nobody'],
  'insecure.test': clients,
  'listed.test': ['client'],
  'dns.test': ['client'],
  'uri.test': ['client'],
  'email.test': ['client'],
  'ip.test': ['client'],
  'regex.test': ['client', 'revoked'],
  'part.test': [],
  'contains.test': ['client'],
  'other.test': [],
};

const pem = (text: string): string =>
  text.replace(/[\n +/=]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);

/** In Envoy's order and with its quotes. */
const elementOf = ({ client }: Credentials): string => {
  const certificate = new X509Certificate(client.chainPem);
  const hash = createHash('sha256').update(certificate.raw).digest('hex');
  const cert = pem(certificate.toString());
  const subject = 'CN=client \\C3\\A9,O=Weft / \\"Shop\\"\\, Inc.,C=DE';
  const names = 'URI=spiffe://cluster.local/ns/shop/sa/client;DNS=a.client.test;DNS=b.client.test';
  return `By=spiffe://gateway/own;Hash=${hash};Cert="${cert}";Chain="${cert}";Subject="${subject}";${names}`;
};

const FORGED = 'Hash=forged;URI=spiffe://forged';

/** What the program is told where the client came with a certificate and a header, and with the header alone. */
const TOLD: Readonly<Record<(typeof MODES)[number], (own: string) => [string | undefined, string | undefined]>> = {
  sanitize: () => [undefined, undefined],
  'forward-only': () => [FORGED, undefined],
  'append-forward': (own) => [`${FORGED},${own}`, undefined],
  'sanitize-set': (own) => [own, undefined],
  'always-forward-only': () => [FORGED, FORGED],
};

for (const [name, openEngine] of Object.entries({ weft: openWeft, envoy: openRealEnvoy })) {
  describe(`TLS on the engine ${name}`, () => {
    let credentials: Credentials;
    let engine: Engine;
    let program: FakeServer;

    before(async () => {
      credentials = makeCredentials();
      program = await openServer(echo);
      engine = await openEngine(credentials, program.port);
    });
    after(async () => {
      await engine?.close();
      await program?.close();
      credentials?.close();
    });

    const asked = (host: string, rest?: Asked) => ask(engine.port, host, rest);

    for (const [host, admitted] of Object.entries(ADMITTED)) {
      it(`lets ${admitted.join(', ') || 'nobody at all'} in at ${host}`, async () => {
        for (const who of clients) {
          const as = who === 'nobody' ? undefined : credentials[who];
          const answer = await asked(host, { ...(as && { as }) });
          assert.equal(answer?.status, admitted.includes(who) ? 200 : undefined, who);
        }
      });
    }

    it('takes nobody for a member of the mesh by the certificate of an ordinary authority', async () => {
      assert.equal((await asked('member.test', { as: credentials.client }))?.status, 403);
    });

    it('shows RSA or ECDSA as the client is able, and wildcards for one label', async () => {
      const old = (ciphers: string): Asked => ({ options: { maxVersion: 'TLSv1.2', ciphers } });
      const rsa = await asked('both.test', old('ECDHE-RSA-AES128-GCM-SHA256'));
      const ec = await asked('both.test', old('ECDHE-ECDSA-AES128-GCM-SHA256'));
      assert.deepEqual([rsa?.keyType, ec?.keyType], ['rsa', 'ec']);
      assert.equal((await asked('x.wild.test'))?.names, 'DNS:*.wild.test');
    });

    it('keeps to versions, suites and curves', async () => {
      const answer = await asked('old.test');
      assert.deepEqual([answer?.version, answer?.cipher], ['TLSv1.2', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384']);
      assert.equal(await asked('old.test', { options: { minVersion: 'TLSv1.3' } }), undefined);
      assert.equal(await asked('old.test', { options: { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' } }), undefined);
      assert.equal(await asked('old.test', { options: { ecdhCurve: 'P-256' } }), undefined);
      assert.equal((await asked('new.test'))?.version, 'TLSv1.3');
      assert.equal(await asked('new.test', { options: { maxVersion: 'TLSv1.2' } }), undefined);
    });

    it('agrees on a protocol, or on none where none is offered', async () => {
      assert.equal((await asked('any.test'))?.alpn, 'http/1.1');
      assert.equal((await asked('silent.test'))?.alpn, false);
    });

    for (const mode of MODES) {
      it(`tells of the client's certificate by the mode ${mode}`, async () => {
        const headers = [`x-forwarded-client-cert: ${FORGED}`];
        const known = await asked(`${mode}.test`, { as: credentials.client, headers });
        const stranger = await asked(`${mode}.test`, { headers });
        const told = [known, stranger].map((answer) => JSON.parse(answer!.body).xfcc);
        assert.deepEqual(told, TOLD[mode](elementOf(credentials)));
      });
    }
  });
}
