// The client side of gRPC against the server of another implementation, and against peers that do not keep to the protocol.
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { type GrpcProgram, openGrpcProgram } from '../../test/fakes/grpc-program.ts';
import { frame, headers, settings } from '../../test/fakes/http2-frames.ts';
import { until } from '../../test/fakes/raw-peer.ts';
import { makeSelfSigned } from '../../test/fakes/self-signed.ts';
import { systemClock } from '../lib/clock.ts';
import { grpcStatus } from '../model/grpc.ts';
import * as h2 from '../proxy/http2/frames.ts';
import type { Call, CallEnd } from './call.ts';
import { type Channel, type ChannelOptions, openChannel } from './channel.ts';

const open: (() => unknown)[] = [];
after(async () => {
  for (const close of open.reverse()) await close();
});

const channelTo = (port: number, options: Partial<ChannelOptions> = {}): Channel => {
  const all = { address: `127.0.0.1:${port}`, maxMessageBytes: 1_000_000, clock: systemClock, ...options };
  const channel = openChannel(all);
  open.push(() => channel.close());
  return channel;
};

/** A stream, and what came of it. */
class Heard {
  readonly messages: string[] = [];
  readonly call: Call;
  readonly end: Promise<CallEnd>;
  isStarted = false;
  drains = 0;

  constructor(channel: Channel, method: string) {
    const ended = Promise.withResolvers<CallEnd>();
    this.end = ended.promise;
    this.call = channel.stream(`/test.Echo/${method}`, {
      onStarted: () => {
        this.isStarted = true;
      },
      onMessage: (message) => this.messages.push(String(message)),
      onDrain: () => this.drains++,
      onEnd: ended.resolve,
    });
  }
}

describe('a channel to a gRPC server', () => {
  let program: GrpcProgram;
  before(async () => {
    program = await openGrpcProgram();
    open.push(() => program.close());
  });
  const once = (channel: Channel, text: string, metadata: string[] = []) =>
    channel.ask('/test.Echo/Once', Buffer.from(text), { metadata });

  it('gets an answer to a question', async () => {
    const { code, message } = await once(channelTo(program.port), 'hello');
    assert.deepEqual([code, String(message)], [0, 'hello']);
  });

  it('takes empty and large messages whole', async () => {
    const channel = channelTo(program.port);
    for (const size of [0, 1, 16_384, 900_000]) {
      const { message } = await once(channel, 'x'.repeat(size));
      assert.equal(message?.length, size);
    }
  });

  it('gets the status and the text of a refusal, which come without a body', async () => {
    const { code, details, message } = await once(channelTo(program.port), 'hello', [
      'x-fail',
      '7',
      'x-key',
      'refused',
    ]);
    assert.deepEqual([code, details, message], [7, 'no: 50% ü', undefined]);
  });

  it('sends many messages and gets one', async () => {
    const heard = new Heard(channelTo(program.port), 'Join');
    for (const part of ['a', 'b', 'c']) heard.call.write(Buffer.from(part));
    heard.call.end();
    assert.equal((await heard.end).code, 0);
    assert.deepEqual([heard.messages, heard.isStarted], [['abc'], true]);
  });

  it('talks both ways until it ends its side', async () => {
    const heard = new Heard(channelTo(program.port), 'Talk');
    heard.call.write(Buffer.from('first'));
    await until(() => heard.messages.length === 1, 'the first answer');
    heard.call.write(Buffer.from('second'));
    await until(() => heard.messages.length === 2, 'the second answer');
    heard.call.end();
    assert.equal((await heard.end).code, 0);
    assert.deepEqual(heard.messages, ['first', 'second']);
  });

  it('carries more calls at once than a connection may before its settings are known', async () => {
    const channel = channelTo(program.port);
    const texts = Array.from({ length: 300 }, (_, i) => `${i}`);
    const answers = await Promise.all(texts.map((text) => once(channel, text)));
    assert.deepEqual(
      answers.map(({ message }) => String(message)),
      texts,
    );
  });

  it('tells a writer to stop, and when to go on', async () => {
    const heard = new Heard(channelTo(program.port), 'Join');
    await until(() => !heard.call.write(Buffer.alloc(100_000)), 'it is told to stop');
    await until(() => heard.drains > 0, 'it may go on');
    heard.call.cancel();
    assert.equal((await heard.end).code, grpcStatus('CANCELLED'));
  });

  it('gives a call up at its deadline, and tells the server', async () => {
    const cancelled = program.cancelled;
    const { code } = await channelTo(program.port).ask('/test.Echo/Wait', Buffer.from(''), { timeoutMs: 50 });
    assert.equal(code, grpcStatus('DEADLINE_EXCEEDED'));
    await until(() => program.cancelled > cancelled, 'the server knows');
  });

  it('refuses a message that is larger than it takes', async () => {
    const { code, details } = await once(channelTo(program.port, { maxMessageBytes: 10 }), 'more than that');
    assert.equal(code, grpcStatus('RESOURCE_EXHAUSTED'));
    assert.match(details, /14 bytes is larger than 10/);
  });

  it('finishes the calls under way when it is closed, and takes no more', async () => {
    const channel = channelTo(program.port);
    const [first, second] = [once(channel, 'first'), once(channel, 'second')];
    channel.close();
    assert.deepEqual([(await first).code, (await second).code], [0, 0]);
    assert.deepEqual(await once(channel, 'third'), {
      code: grpcStatus('UNAVAILABLE'),
      details: 'the channel is closed',
      message: undefined,
    });
  });

  it('goes on over another connection when the server asks it to leave', async () => {
    const channel = channelTo(program.port);
    const heard = new Heard(channel, 'Talk');
    heard.call.write(Buffer.from('before'));
    await until(() => heard.messages.length === 1, 'the stream is open');
    program.goAway();
    assert.equal((await once(channel, 'elsewhere')).code, 0);
    heard.call.write(Buffer.from('after'));
    await until(() => heard.messages.length === 2, 'the old stream goes on');
    heard.call.end();
    assert.equal((await heard.end).code, 0);
  });
});

describe('a channel to a peer that fails', () => {
  const peer = async (answer: (socket: Socket) => void): Promise<{ port: number; count: () => number }> => {
    let count = 0;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      count++;
      sockets.add(socket.on('error', () => {}));
      answer(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return { port: (server.address() as { port: number }).port, count: () => count };
  };
  const ask = (channel: Channel) => channel.ask('/test.Echo/Once', Buffer.from('hello'), { timeoutMs: 10_000 });

  const HEAD = [':status', '200', 'content-type', 'application/grpc'];
  const ANSWERS: Record<string, { frames: string; code: Parameters<typeof grpcStatus>[0]; details: RegExp }> = {
    'a status of HTTP alone': {
      frames: headers(1, [':status', '503'], true),
      code: 'UNAVAILABLE',
      details: /HTTP status 503/,
    },
    'what is no gRPC': {
      frames: headers(1, [':status', '200', 'content-type', 'text/html'], false),
      code: 'UNKNOWN',
      details: /no gRPC/,
    },
    'no status at its end': {
      frames: headers(1, HEAD, false) + frame(h2.DATA, h2.END_STREAM, 1, ''),
      code: 'UNKNOWN',
      details: /none of gRPC/,
    },
    'half a message': {
      frames: headers(1, HEAD, false) + frame(h2.DATA, h2.END_STREAM, 1, '\0\0\0\0\x05ab'),
      code: 'INTERNAL',
      details: /within a message/,
    },
    'a compressed message': {
      frames: headers(1, HEAD, false) + frame(h2.DATA, 0, 1, '\x01\0\0\0\x01a'),
      code: 'RESOURCE_EXHAUSTED',
      details: /compressed/,
    },
    'a message larger than it can be': {
      frames: headers(1, HEAD, false) + frame(h2.DATA, 0, 1, '\0\xff\xff\xff\xff'),
      code: 'RESOURCE_EXHAUSTED',
      details: /4294967295 bytes/,
    },
    'a reset': { frames: h2.resetText(1, h2.ENHANCE_YOUR_CALM), code: 'RESOURCE_EXHAUSTED', details: /reset/ },
    'what is no HTTP/2': { frames: 'HTTP/1.1 400 Bad Request\r\n\r\n', code: 'INTERNAL', details: /./ },
  };
  for (const [what, { frames, code, details }] of Object.entries(ANSWERS)) {
    it(`tells ${code} for ${what}`, async () => {
      const { port } = await peer((socket) => {
        // After the request, so that its stream is begun.
        let heard = '';
        socket.on('data', (bytes) => {
          const before = heard.length;
          heard += bytes.toString('latin1');
          if (before === 0) socket.write((frames.startsWith('HTTP') ? '' : settings()) + frames, 'latin1');
        });
      });
      const end = await ask(channelTo(port));
      assert.equal(end.code, grpcStatus(code));
      assert.match(end.details, details);
    });
  }

  it('tells why there is no connection, and holds off before it tries again', async () => {
    const clock = new FakeClock();
    const { port, count } = await peer((socket) => socket.once('data', () => socket.end('no TLS')));
    const channel = channelTo(port, { clock, tls: { caPem: makeSelfSigned().certPem } });
    const [first, second] = [await ask(channel), await ask(channel)];
    assert.match(first.details, /wrong version number/i);
    assert.deepEqual([first.code, second, count()], [grpcStatus('UNAVAILABLE'), first, 1]);
    clock.advance(1000);
    assert.deepEqual([await ask(channel), count()], [first, 2]);
  });

  it('fails its calls when the connection breaks, and makes another one', async () => {
    const { port, count } = await peer((socket) => {
      socket.once('data', () => (count() === 1 ? socket.resetAndDestroy() : socket.end()));
    });
    const clock = new FakeClock();
    const channel = channelTo(port, { clock });
    const first = await ask(channel);
    assert.equal(first.code, grpcStatus('UNAVAILABLE'));
    assert.match(first.details, /ECONNRESET/);
    clock.advance(1000);
    const second = await ask(channel);
    assert.equal(second.code, grpcStatus('UNAVAILABLE'));
    assert.match(second.details, /closed/);
    assert.equal(count(), 2);
  });

  it('gives up a peer that does not answer to pings, not one that does', async () => {
    const clock = new FakeClock();
    const client = Promise.withResolvers<Socket>();
    let heard = '';
    const { port } = await peer((socket) => {
      socket.on('data', (bytes) => {
        heard += bytes.toString('latin1');
      });
      socket.write(settings() + frame(h2.SETTINGS, h2.ACK, 0), 'latin1');
      client.resolve(socket);
    });
    const heardEnd = new Heard(channelTo(port, { clock }), 'Talk');
    let end: CallEnd | undefined;
    void heardEnd.end.then((told) => {
      end = told;
    });
    const count = (payload: string) => heard.split(payload).length - 1;
    /** Sends frames, and waits until the channel has read them. */
    const send = async (frames: string) => {
      const before = count('sentinel');
      (await client.promise).write(frames + h2.pingText('sentinel', false), 'latin1');
      await until(() => count('sentinel') > before, 'the channel has heard it');
    };
    await send('');
    clock.advance(10_000);
    await until(() => count('at home?') === 1, 'it is asked');
    await send(h2.pingText('at home?', true));
    clock.advance(5_000);
    clock.advance(10_000);
    await until(() => count('at home?') === 2, 'it is asked again');
    assert.equal(end, undefined);
    clock.advance(5_000);
    await until(() => end !== undefined, 'it is given up');
    assert.match(end!.details, /does not answer to pings/);
  });
});
