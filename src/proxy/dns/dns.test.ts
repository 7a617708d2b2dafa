import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver as Client } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../../../test/fakes/clock.ts';
import { aRecord, type FakeDnsServer, openFakeDnsServer, soaRecord } from '../../../test/fakes/dns-server.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { secretRandom } from '../../lib/random.ts';
import type { NameRecord } from '../../model/name-record.ts';
import { type Dns, type DnsOptions, openDns } from './dns.ts';
import { encodeMessage } from './encode.ts';
import { framed } from './exchange.ts';
import { CLASS_IN, type Message, parseMessage, RCODE, TYPE } from './message.ts';
import { wireNameOf } from './name.ts';

const service = (name: string, namespace: string, rest: Partial<NameRecord> = {}): NameRecord => ({
  name: `${name}.${namespace}.svc.cluster.local`,
  aliases: [`${name}.${namespace}`, `${name}.${namespace}.svc`],
  near: { namespace, name },
  addresses: [],
  ports: [],
  ...rest,
});

const instances = (...addresses: string[]) =>
  addresses.map((address, i) => ({ address, port: 9000 + i, hostname: `pod-${i}` }));

const NAMES: readonly NameRecord[] = [
  service('reviews', 'default', {
    addresses: ['10.96.0.7', 'fd00::7'],
    ports: [{ name: 'http', port: 9080, instances: [] }],
  }),
  service('ratings', 'shop', { slot: 300, ports: [{ name: 'http', port: 80, instances: instances('10.1.0.9') }] }),
  service('db', 'default', { ports: [{ name: 'pg', port: 5432, instances: instances('10.1.0.1', '10.1.0.2') }] }),
  service('empty', 'default', { ports: [{ name: 'pg', port: 5432, instances: [] }] }),
  service('out', 'default', { target: 'elsewhere.test' }),
  { name: 'api.test', aliases: [], addresses: ['240.0.0.1'], ports: [] },
  { name: '*.wild.test', aliases: [], addresses: ['240.0.0.2'], ports: [] },
];

const open = async (t: TestContext, options: Partial<DnsOptions> = {}): Promise<Dns> => {
  const dns = await openDns({
    address: '127.0.0.1',
    port: 0,
    namespace: 'default',
    servers: [],
    clock: systemClock,
    random: secretRandom,
    log: silentLog,
    ...options,
  });
  t.after(() => dns.close());
  dns.update(new Map(NAMES.map((record) => [record.name, record])));
  return dns;
};

const server = async (t: TestContext, ...args: Parameters<typeof openFakeDnsServer>): Promise<FakeDnsServer> => {
  const fake = await openFakeDnsServer(...args);
  t.after(() => fake.close());
  return fake;
};

const clientOf = ({ address, port }: Pick<Dns, 'address' | 'port'>): Client => {
  const client = new Client({ timeout: 4000, tries: 1 });
  client.setServers([`${address}:${port}`]);
  return client;
};

const query = (name: string, type: number, rest: Partial<Message> = {}): Message => ({
  id: 4711,
  isResponse: false,
  opcode: 0,
  authoritative: false,
  truncated: false,
  recursionDesired: true,
  recursionAvailable: false,
  authenticData: false,
  checkingDisabled: false,
  rcode: 0,
  questions: [{ name: wireNameOf(name)!, type, class: CLASS_IN }],
  answers: [],
  authority: [],
  additional: [],
  ...rest,
});

/** One datagram there and one back. */
const sendUdp = ({ address, port }: Dns, bytes: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    // One that gets no answer must not keep the test alive.
    const socket = createSocket('udp4').unref();
    socket.once('error', reject);
    socket.once('message', (reply) => {
      socket.close();
      resolve(reply);
    });
    socket.send(bytes, port, address);
  });

const askUdp = async (dns: Dns, message: Message): Promise<Message> => {
  const reply = parseMessage(await sendUdp(dns, encodeMessage(message)));
  assert.ok(reply, 'the answer can be read');
  assert.equal(reply.id, message.id);
  return reply;
};

const MESH_NAMES: Readonly<Record<string, { name: string; a: string | string[] }>> = {
  'a short name of the own namespace': { name: 'reviews', a: ['10.96.0.7'] },
  'a name with its namespace': { name: 'reviews.default', a: ['10.96.0.7'] },
  'a name with svc': { name: 'reviews.default.svc', a: ['10.96.0.7'] },
  'a full name': { name: 'reviews.default.svc.cluster.local', a: ['10.96.0.7'] },
  'letters do not matter': { name: 'ReViEwS.default.SVC.cluster.LOCAL', a: ['10.96.0.7'] },
  'the short name of another namespace is not ours': { name: 'ratings', a: 'ESERVFAIL' },
  'a service without an address has those of its instances': { name: 'ratings.shop', a: ['10.1.0.9'] },
  'a headless service has each ready endpoint': { name: 'db', a: ['10.1.0.1', '10.1.0.2'] },
  'an instance of a service has a name': { name: 'pod-1.db.default.svc.cluster.local', a: ['10.1.0.2'] },
  'an instance has a name made of its address': { name: 'pod-0.db', a: ['10.1.0.1'] },
  'no instance, no name': { name: 'pod-2.db.default.svc.cluster.local', a: 'ENOTFOUND' },
  'a service without endpoints is there and has none': { name: 'empty', a: 'ENODATA' },
  'the host of a ServiceEntry': { name: 'api.test', a: ['240.0.0.1'] },
  'a name under a wildcard': { name: 'a.b.wild.test', a: ['240.0.0.2'] },
  'the wildcard itself is not a host': { name: 'wild.test', a: 'ESERVFAIL' },
  'a service that is not there': { name: 'nothing.default.svc.cluster.local', a: 'ENOTFOUND' },
  'a namespace is there and has nothing': { name: 'default.svc.cluster.local', a: 'ENODATA' },
  'a name with the search path added once too often': {
    name: 'reviews.default.svc.cluster.local.default.svc.cluster.local',
    a: 'ENOTFOUND',
  },
};

test('names of the mesh are answered', async (t) => {
  const client = clientOf(await open(t));
  for (const [sentence, { name, a }] of Object.entries(MESH_NAMES)) {
    const got = await client.resolve4(name).then(
      (found) => found.sort(),
      (error: NodeJS.ErrnoException) => error.code,
    );
    assert.deepEqual(got, a, sentence);
  }
  assert.deepEqual(await client.resolve6('reviews'), ['fd00::7']);
  await assert.rejects(client.resolve6('db'), { code: 'ENODATA' });
  await assert.rejects(client.resolveMx('reviews.default.svc.cluster.local'), { code: 'ENODATA' });
});

test('named ports are SRV records, of the service or of each of its instances', async (t) => {
  const client = clientOf(await open(t));
  const [whole] = await client.resolveSrv('_http._tcp.reviews.default.svc.cluster.local');
  assert.deepEqual([whole?.name, whole?.port], ['reviews.default.svc.cluster.local', 9080]);
  const found = await client.resolveSrv('_pg._tcp.db');
  assert.deepEqual(found.map(({ name, port }) => `${name}:${port}`).sort(), [
    'pod-0.db.default.svc.cluster.local:9000',
    'pod-1.db.default.svc.cluster.local:9001',
  ]);
  await assert.rejects(client.resolveSrv('_x._tcp.db'), { code: 'ENOTFOUND' });
  await assert.rejects(client.resolveSrv('_pg._udp.db'), { code: 'ENOTFOUND' });
});

test('a sidecar that captures answers with its own address for a service as a whole', async (t) => {
  const client = clientOf(await open(t, { captureBlock: 77 }));
  assert.deepEqual(await client.resolve4('ratings.shop'), ['127.77.1.44']);
  assert.deepEqual((await client.resolve4('db')).sort(), ['10.1.0.1', '10.1.0.2']);
});

test('the letters of a question come back as they were, with a short time to live and the authority of the mesh', async (t) => {
  const dns = await open(t, { ttl: 7 });
  const reply = await askUdp(dns, query('rEvIeWs', TYPE.A));
  assert.equal(reply.questions[0]!.name, wireNameOf('rEvIeWs'));
  assert.equal(reply.answers[0]!.name, wireNameOf('rEvIeWs'));
  assert.deepEqual([reply.answers[0]!.ttl, reply.authoritative, reply.recursionAvailable], [7, true, true]);
  const none = await askUdp(dns, query('reviews', TYPE.SRV));
  assert.equal(none.answers.length, 0);
  assert.equal(none.authority[0]?.type, TYPE.SOA, 'how long "there is none" may be kept');
});

const REFUSED: Readonly<Record<string, { message: Partial<Message>; rcode: number }>> = {
  'a notification': { message: { opcode: 4 }, rcode: RCODE.NOTIMP },
  'an update': { message: { opcode: 5 }, rcode: RCODE.NOTIMP },
  'no question': { message: { questions: [] }, rcode: RCODE.FORMERR },
  'two questions': {
    message: { questions: ['a', 'b'].map((name) => ({ name: wireNameOf(name)!, type: 1, class: 1 })) },
    rcode: RCODE.FORMERR,
  },
  'a question with an answer': { message: { answers: [aRecord(wireNameOf('a')!, '1.2.3.4')] }, rcode: RCODE.FORMERR },
  'the CHAOS class': {
    message: { questions: [{ name: wireNameOf('version.bind')!, type: 16, class: 3 }] },
    rcode: RCODE.REFUSED,
  },
  'a zone transfer': {
    message: { questions: [{ name: wireNameOf('cluster.local')!, type: 252, class: 1 }] },
    rcode: RCODE.REFUSED,
  },
  'another version of EDNS': {
    message: { edns: { udpSize: 1232, version: 1, dnssecOk: false } },
    rcode: RCODE.BADVERS,
  },
  'what is not of the mesh, without the wish to have it looked for': {
    message: { recursionDesired: false },
    rcode: RCODE.REFUSED,
  },
};

test('what is not a question for a resolver is refused with the right code', async (t) => {
  const dns = await open(t);
  for (const [sentence, { message, rcode }] of Object.entries(REFUSED)) {
    const reply = await askUdp(dns, query('other.test', TYPE.A, message));
    assert.equal(reply.rcode, rcode, sentence);
  }
  const broken = encodeMessage(query('reviews', TYPE.A)).subarray(0, -1);
  const reply = await sendUdp(dns, broken);
  assert.deepEqual([reply.length, reply.readUInt16BE(0), reply[3]! & 15], [12, 4711, RCODE.FORMERR]);
  // Neither is answered: the next question is what comes back.
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const first = new Promise<Buffer>((resolve) => socket.once('message', resolve));
  for (const bytes of [Buffer.from('short'), encodeMessage(query('reviews', TYPE.A, { id: 1, isResponse: true }))]) {
    socket.send(bytes, dns.port, dns.address);
  }
  socket.send(encodeMessage(query('reviews', TYPE.A, { id: 2 })), dns.port, dns.address);
  assert.equal((await first).readUInt16BE(0), 2);
  assert.equal(dns.counts.invalid, 3);
});

test('an answer is never larger than the client takes: it is marked, and comes whole over TCP', async (t) => {
  const dns = await open(t);
  const addresses = Array.from({ length: 60 }, (_, i) => `10.2.0.${i + 1}`);
  const many = service('many', 'default', { ports: [{ name: 'x', port: 1, instances: instances(...addresses) }] });
  dns.update(new Map([[many.name, many]]));
  const plain = await sendUdp(dns, encodeMessage(query('many', TYPE.A)));
  assert.ok(plain.length <= 512);
  assert.equal(parseMessage(plain)?.truncated, true);
  const edns = { udpSize: 65_535, version: 0, dnssecOk: false };
  const larger = await askUdp(dns, query('many', TYPE.A, { edns }));
  assert.deepEqual([larger.truncated, larger.answers.length, larger.edns?.udpSize], [false, 60, 1232]);
  // Real clients ask again over TCP by themselves.
  assert.equal((await clientOf(dns).resolve4('many')).length, 60);
  assert.ok(dns.counts.truncated >= 1);
});

test('many questions in one connection are all answered, and a connection that says nothing is closed', async (t) => {
  const clock = new FakeClock();
  const dns = await open(t, { clock });
  const socket = connect(dns.port, dns.address);
  const ids = Array.from({ length: 200 }, (_, i) => i);
  const questions = ids.map((id) => framed(encodeMessage(query('reviews', TYPE.A, { id }))));
  socket.write(Buffer.concat(questions));
  let held = Buffer.alloc(0);
  const seen = new Set<number>();
  for await (const bytes of socket) {
    held = Buffer.concat([held, bytes]);
    while (held.length > 1 && held.length >= 2 + held.readUInt16BE(0)) {
      seen.add(parseMessage(held.subarray(2, 2 + held.readUInt16BE(0)))!.id);
      held = held.subarray(2 + held.readUInt16BE(0));
    }
    // The end of the loop is the end that the resolver makes.
    if (seen.size === ids.length) clock.advance(10_000);
  }
  assert.equal(seen.size, ids.length);
});

test('other names are asked for, kept as long as their time to live, and counted down', async (t) => {
  const clock = new FakeClock();
  const upstream = await server(t, ({ name }) => ({ answers: [aRecord(name, '192.0.2.1', 60)] }));
  const dns = await open(t, { servers: [upstream], clock });
  const ttl = async () => (await askUdp(dns, query('World.test', TYPE.A))).answers.map((record) => record.ttl);
  assert.deepEqual(await ttl(), [60]);
  clock.advance(20_000);
  assert.deepEqual(await ttl(), [40]);
  assert.deepEqual(upstream.asked, ['1 World.test udp']);
  clock.advance(41_000);
  assert.deepEqual(await ttl(), [60]);
  assert.equal(upstream.asked.length, 2);
  assert.deepEqual([dns.counts.fromCache, dns.counts.upstreamRequests], [1, 2]);
});

test('"there is none" is kept as long as its SOA says', async (t) => {
  const clock = new FakeClock();
  const authority = [soaRecord('test', 900, 30)];
  const upstream = await server(t, () => ({ rcode: RCODE.NXDOMAIN, authority }));
  const dns = await open(t, { servers: [upstream], clock });
  const rcode = async () => (await askUdp(dns, query('nobody.test', TYPE.A))).rcode;
  assert.equal(await rcode(), RCODE.NXDOMAIN);
  clock.advance(29_000);
  assert.equal(await rcode(), RCODE.NXDOMAIN);
  assert.equal(upstream.asked.length, 1);
  clock.advance(2_000);
  assert.equal(await rcode(), RCODE.NXDOMAIN);
  assert.equal(upstream.asked.length, 2);
});

test('an alias of the mesh is followed to other servers', async (t) => {
  const upstream = await server(t, ({ name }) => ({ answers: [aRecord(name, '192.0.2.9')] }));
  const client = clientOf(await open(t, { servers: [upstream] }));
  assert.deepEqual(await client.resolve4('out'), ['192.0.2.9']);
  assert.deepEqual(await client.resolveCname('out'), ['elsewhere.test']);
});

test('a truncated answer is asked for again over TCP', async (t) => {
  const addresses = Array.from({ length: 50 }, (_, i) => `192.0.2.${i + 1}`);
  const upstream = await server(t, ({ name }, { transport }) =>
    transport === 'udp' ? { truncated: true } : { answers: addresses.map((address) => aRecord(name, address)) },
  );
  const client = clientOf(await open(t, { servers: [upstream] }));
  assert.equal((await client.resolve4('large.test')).length, 50);
  assert.deepEqual(upstream.asked, ['1 large.test udp', '1 large.test tcp']);
});

test('a server that fails gives way to the next, which is asked first from then on', async (t) => {
  const bad = await server(t, () => ({ rcode: RCODE.SERVFAIL }));
  const good = await server(t, ({ name }) => ({ answers: [aRecord(name, '192.0.2.1', 0)] }));
  const client = clientOf(await open(t, { servers: [bad, good] }));
  await client.resolve4('one.test');
  await client.resolve4('two.test');
  assert.deepEqual([bad.asked, good.asked], [['1 one.test udp'], ['1 one.test udp', '1 two.test udp']]);
});

test('a server that is not there gives way to the next at once', async (t) => {
  const gone = await openFakeDnsServer(() => 'silence');
  await gone.close();
  const good = await server(t, ({ name }) => ({ answers: [aRecord(name, '192.0.2.1')] }));
  assert.deepEqual(await clientOf(await open(t, { servers: [gone, good] })).resolve4('one.test'), ['192.0.2.1']);
});

test('where nobody answers it is told as a failure', async (t) => {
  const clock = new FakeClock();
  const heard = Promise.withResolvers<void>();
  const silent = await server(t, () => {
    heard.resolve();
    return 'silence' as const;
  });
  const dns = await open(t, { servers: [silent], clock });
  const reply = askUdp(dns, query('slow.test', TYPE.A));
  await heard.promise;
  const isDone = reply.then(() => true);
  while (!(await Promise.race([isDone, new Promise<false>((resolve) => setImmediate(resolve, false))])))
    clock.advance(100);
  assert.equal((await reply).rcode, RCODE.SERVFAIL);
  assert.equal(dns.counts.servfail, 1);
});

const FORGED: Readonly<Record<string, Partial<Message>>> = {
  'another id': { id: 1 },
  'another question': { questions: [{ name: wireNameOf('evil.test')!, type: TYPE.A, class: CLASS_IN }] },
  'no question': { questions: [] },
  'a question in place of an answer': { isResponse: false },
};

test('what is not the answer to the question is not believed', async (t) => {
  for (const [sentence, forged] of Object.entries(FORGED)) {
    // Each wrong answer over UDP is counted; after some the question goes over TCP.
    const upstream = createSocket('udp4');
    t.after(() => upstream.close());
    upstream.on('message', (bytes, from) => {
      const asked = parseMessage(bytes)!;
      const id = forged.id === undefined ? asked.id : (asked.id + 1) % 65_536;
      const lie = {
        ...asked,
        isResponse: true,
        answers: [aRecord(asked.questions[0]!.name, '6.6.6.6')],
        ...forged,
        id,
      };
      const truth = { ...asked, isResponse: true, answers: [aRecord(asked.questions[0]!.name, '192.0.2.1')] };
      for (const message of [lie, lie, truth]) upstream.send(encodeMessage(message), from.port, from.address);
    });
    await new Promise<void>((resolve) => upstream.bind(0, '127.0.0.1', resolve));
    const dns = await open(t, { servers: [{ address: '127.0.0.1', port: upstream.address().port }] });
    assert.deepEqual(await clientOf(dns).resolve4('one.test'), ['192.0.2.1'], sentence);
    assert.equal(dns.counts.strays, 2, sentence);
  }
});

test('the same question of many is asked once, and a circle of servers comes to an end', async (t) => {
  const go = Promise.withResolvers<void>();
  const heard = Promise.withResolvers<void>();
  const upstream = await server(t, async ({ name }) => {
    heard.resolve();
    await go.promise;
    return { answers: [aRecord(name, '192.0.2.1')] };
  });
  const dns = await open(t, { servers: [upstream] });
  const all = Array.from({ length: 20 }, (_, id) => askUdp(dns, query('busy.test', TYPE.A, { id })));
  await heard.promise;
  go.resolve();
  for (const reply of await Promise.all(all)) assert.equal(reply.answers.length, 1);
  assert.equal(upstream.asked.length, 1);

  // Two that ask each other: the question comes back once and finds itself.
  let second: Dns | undefined;
  const between = await server(t, async (question) => {
    const { rcode, answers } = await askUdp(second!, query('x.test', question.type));
    return { rcode, answers };
  });
  second = await open(t, { servers: [between] });
  const clock = new FakeClock();
  const first = await open(t, { servers: [second], clock });
  const reply = askUdp(first, query('x.test', TYPE.A));
  const isDone = reply.then(() => true);
  while (!(await Promise.race([isDone, new Promise<false>((resolve) => setImmediate(resolve, false))])))
    clock.advance(100);
  assert.equal((await reply).rcode, RCODE.SERVFAIL);
  assert.ok(second.counts.upstreamRequests <= 2);
});

test('clients can not make it ask without end', async (t) => {
  const silent = createSocket('udp4');
  t.after(() => silent.close());
  await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve));
  const servers = [{ address: '127.0.0.1', port: silent.address().port }];
  const dns = await open(t, { servers, clock: new FakeClock() });
  // A connection waits after 64 questions; what all of them together ask too much fails at once.
  const failed = Array.from({ length: 9 }, async (_, connection) => {
    const socket = connect(dns.port, dns.address);
    t.after(() => socket.destroy());
    for (let i = 0; i < 64; i++) socket.write(framed(encodeMessage(query(`n${i}.c${connection}.test`, TYPE.A))));
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    return parseMessage(bytes.subarray(2, 2 + bytes.readUInt16BE(0)))?.rcode;
  });
  assert.equal(await Promise.race(failed), RCODE.SERVFAIL);
  assert.ok(dns.counts.overflows > 0);
  assert.ok(dns.counts.upstreamRequests <= 512);
  // Those that wait are told when it closes; connections that close with it are no failure of the test.
  for (const one of failed) one.catch(() => {});
});
