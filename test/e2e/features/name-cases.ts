// Names by DNS: a program that knows nothing of proxies finds services by name alone. Used by features.test.ts.
import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { get } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { until } from '../until.ts';
import { type Features, service } from './setup.ts';

const resolverAt = (place: string | undefined): Resolver => {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  resolver.setServers([place ?? 'the resolver is not told']);
  return resolver;
};

/** The addresses, or the code of why there are none. */
const addressesOf = (resolver: Resolver, name: string): Promise<string> =>
  resolver.resolve4(name).then(
    (found) => found.join(' '),
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );

const plainGet = (host: string, name: string, port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const sent = get({ host, port, headers: { host: `${name}:${port}` }, agent: false }, (response) =>
      resolve(text(response)),
    );
    sent.on('error', reject);
  });

const plainTcp = (host: string, port: number, bytes: string): Promise<string> => {
  const socket = connect(port, host);
  socket.end(bytes);
  return text(socket);
};

const PORTS = '[{ name: http, port: 8080, targetPort: http }, { name: tcp, port: 7000, targetPort: tcp }]';

export const nameCases: Record<string, (f: Features) => Promise<void>> = {
  'a program without a proxy setting reaches services, HTTP and TCP, by their names alone': async (f) => {
    await f.apply(
      service('by-name', '{ app: guarded }', 'default', PORTS),
      service('apart', '{ app: web }', 'other', '[{ name: http, port: 8080, targetPort: http }]'),
    );
    const caller = await f.join('client', { flags: ['--dns-capture'] });
    const resolver = resolverAt(caller.env.WEFT_DNS);
    const block = /^127\.\d+\./;
    await until('the name to be known', async () => block.test(await addressesOf(resolver, 'by-name')));
    const address = await addressesOf(resolver, 'by-name');
    for (const name of ['by-name.default', 'by-name.default.svc', 'By-Name.default.svc.cluster.local']) {
      assert.equal(await addressesOf(resolver, name), address, name);
    }
    assert.equal(await addressesOf(resolver, 'none.default.svc.cluster.local'), 'ENOTFOUND');
    assert.equal((JSON.parse(await plainGet(address, 'by-name', 8080)) as { name: string }).name, 'guarded-1');
    assert.match(await plainTcp(address, 7000, 'hello'), /^guarded-1 5 /);
    const other = await addressesOf(resolver, 'apart.other');
    assert.notEqual(other, address);
    assert.equal((JSON.parse(await plainGet(other, 'apart.other', 8080)) as { name: string }).name, 'other-web');
    const event = await f.flow(
      'the call by name',
      ({ direction, destination, http }) =>
        direction === 'inbound' && destination.service === 'by-name' && http?.host === 'by-name:8080',
    );
    assert.equal(event.source.identity, 'spiffe://cluster.local/ns/default/sa/client');
  },

  'a headless service is its endpoints one by one, with ports by SRV; a service that goes is no name any more': async (
    f,
  ) => {
    const headless = service('each', '{ app: web }', 'default', '[{ name: http, port: 80, targetPort: http }]').replace(
      'spec: {',
      'spec: { clusterIP: None,',
    );
    await f.apply(headless);
    const resolver = resolverAt(f.caller.env.WEFT_DNS);
    await until('the name to be known', async () => (await addressesOf(resolver, 'each')) === '127.0.0.1');
    const found = await resolver.resolveSrv('_http._tcp.each.default.svc.cluster.local');
    assert.equal(found.length, 2);
    assert.match(found[0]!.name, /\.each\.default\.svc\.cluster\.local$/);
    assert.deepEqual(await resolver.resolve4(found[0]!.name), ['127.0.0.1']);
    await f.remove(headless);
    const gone = async () => (await addressesOf(resolver, 'each.default.svc.cluster.local')) === 'ENOTFOUND';
    await until('the name to be gone', gone);
  },
};
