// A server of gRPC whose messages are bytes, and the calls that tests make to it; both by grpc-js.
import { once } from 'node:events';
import type {
  ClientDuplexStream,
  ClientUnaryCall,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from '@grpc/grpc-js';
import { Client, credentials, Metadata, type MethodDefinition, Server, ServerCredentials } from '@grpc/grpc-js';
import { asBytes, bytesMethod } from '../../src/grpc/service.ts';

const method = (name: string, request: boolean, response: boolean): MethodDefinition<Buffer, Buffer> =>
  bytesMethod(`/test.Echo/${name}`, { request, response });

const METHODS = {
  /** Answers what it is told; fails with the status in `x-fail`, as often as `x-times` says. */
  once: method('Once', false, false),
  /** Answers each byte by itself. */
  split: method('Split', false, true),
  join: method('Join', true, false),
  talk: method('Talk', true, true),
  /** Never answers. */
  wait: method('Wait', false, false),
};

export interface GrpcProgram {
  readonly port: number;
  /** Calls of `wait` that the server has, and those that were cancelled. */
  readonly waiting: number;
  readonly cancelled: number;
  /** Asks every client to go elsewhere; calls that have begun go on. */
  goAway(): void;
  close(): Promise<void>;
}

export const openGrpcProgram = async (): Promise<GrpcProgram> => {
  const failures = new Map<string, number>();
  let waiting = 0;
  let cancelled = 0;
  const failureOf = ({ metadata }: ServerUnaryCall<Buffer, Buffer>) => {
    const [code, times, key] = ['x-fail', 'x-times', 'x-key'].map((name) => metadata.get(name)[0]?.toString());
    if (code === undefined) return undefined;
    const left = failures.get(key ?? '') ?? Number(times ?? 1);
    failures.set(key ?? '', left - 1);
    return left > 0 ? { code: Number(code), details: 'no: 50% ü' } : undefined;
  };
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  server.addService(METHODS, {
    once: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
      const trailers = new Metadata();
      trailers.set('x-method', call.getPath());
      const failure = failureOf(call);
      if (failure) done({ ...failure, metadata: trailers });
      else done(null, call.request, trailers);
    },
    split: (call: ServerWritableStream<Buffer, Buffer>) => {
      for (const byte of call.request) call.write(Buffer.from([byte]));
      call.end();
    },
    join: (call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
      const parts: Buffer[] = [];
      call.on('data', (part) => parts.push(part)).on('end', () => done(null, Buffer.concat(parts)));
    },
    talk: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (part) => call.write(part)).on('end', () => call.end());
    },
    wait: (call: ServerUnaryCall<Buffer, Buffer>) => {
      waiting++;
      call.on('cancelled', () => cancelled++);
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    port,
    get waiting() {
      return waiting;
    },
    get cancelled() {
      return cancelled;
    },
    goAway: () => server.drain(`127.0.0.1:${port}`, 5_000),
    close: async () => server.forceShutdown(),
  };
};

export interface CallResult {
  readonly code: number;
  readonly details: string;
  readonly body: string;
  readonly trailers: Metadata;
}

const OPTIONS = {
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  // Each client with a connection of its own, and no attempts but those of the proxy.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
};

/** The calls of one client, to a proxy on this port. */
export class GrpcClient {
  readonly channel: Client;
  readonly #host: string;

  constructor(port: number, host: string) {
    this.channel = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), OPTIONS);
    this.#host = host;
  }

  once(body: string, metadata: Record<string, string> = {}): Promise<CallResult> {
    return new Promise((resolve) => this.#unary('Once', body, metadata, resolve));
  }

  /** Begins a call that is never answered. */
  wait(deadlineMs?: number): { call: ClientUnaryCall; result: Promise<CallResult> } {
    let call: ClientUnaryCall;
    const result = new Promise<CallResult>((resolve) => {
      call = this.#unary('Wait', '', {}, resolve, deadlineMs);
    });
    return { call: call!, result };
  }

  async split(body: string): Promise<string[]> {
    const options = { host: this.#host };
    const call = this.channel.makeServerStreamRequest(
      '/test.Echo/Split',
      asBytes,
      asBytes,
      Buffer.from(body),
      new Metadata(),
      options,
    );
    const parts: string[] = [];
    for await (const part of call) parts.push(String(part));
    return parts;
  }

  join(parts: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { host: this.#host };
      const call = this.channel.makeClientStreamRequest(
        '/test.Echo/Join',
        asBytes,
        asBytes,
        new Metadata(),
        options,
        (error, answer) => (error ? reject(error) : resolve(String(answer))),
      );
      for (const part of parts) call.write(Buffer.from(part));
      call.end();
    });
  }

  talk(): ClientDuplexStream<Buffer, Buffer> {
    return this.channel.makeBidiStreamRequest('/test.Echo/Talk', asBytes, asBytes, new Metadata(), {
      host: this.#host,
    });
  }

  close(): void {
    this.channel.close();
  }

  #unary(
    name: string,
    body: string,
    fields: Record<string, string>,
    done: (result: CallResult) => void,
    deadlineMs?: number,
  ): ClientUnaryCall {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(fields)) metadata.set(key, value);
    const options = { host: this.#host, ...(deadlineMs !== undefined && { deadline: Date.now() + deadlineMs }) };
    let text = '';
    const call = this.channel.makeUnaryRequest(
      `/test.Echo/${name}`,
      asBytes,
      asBytes,
      Buffer.from(body),
      metadata,
      options,
      (_, answer) => {
        text = answer ? String(answer) : '';
      },
    );
    call.on('status', ({ code, details, metadata: trailers }) =>
      setImmediate(() => done({ code, details, body: text, trailers })),
    );
    return call;
  }
}

/** The next message of a stream. */
export const nextMessage = async (call: ClientDuplexStream<Buffer, Buffer>): Promise<string> =>
  String((await once(call, 'data'))[0]);
