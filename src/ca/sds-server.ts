// Envoy's secret discovery over a unix socket: hands the proxy's own SVID to its own Envoy, again on each renewal.
// Opened by the agent that supervises an Envoy; nobody but this user can reach the socket.
import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  type handleBidiStreamingCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import { bytesMethod } from '../grpc/service.ts';
import { isWeftError, messageOf, WeftError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Svid, SvidSource } from '../model/identity.ts';
import {
  decodeDeltaRequest,
  decodeStateRequest,
  encodeDeltaResponse,
  encodeStateResponse,
  type NamedSecret,
  type SecretRequest,
  SYSTEM_SECRET,
  secretsOf,
  systemSecret,
} from './sds-messages.ts';

export interface SdsServerOptions {
  /** In a folder of its own, which is made, or made private, when needed. */
  readonly socketPath: string;
  readonly source: SvidSource;
  readonly log: Log;
}

export interface SdsServer {
  close(): Promise<void>;
}

/** sockaddr_un holds 104 bytes on macOS, 108 on Linux, with the final zero. */
const MAX_PATH_BYTES = 103;
const MAX_NAMES = 100;

type Call = ServerDuplexStream<Buffer, Buffer>;

const method = (name: string) =>
  bytesMethod(`/envoy.service.secret.v3.SecretDiscoveryService/${name}`, { request: true, response: true });
const definition: ServiceDefinition = {
  streamSecrets: method('StreamSecrets'),
  deltaSecrets: method('DeltaSecrets'),
};

interface Form {
  readonly isDelta: boolean;
  readonly decode: (bytes: Buffer) => SecretRequest;
  readonly encode: (secrets: readonly NamedSecret[], version: string) => Buffer;
}

const STATE: Form = { isDelta: false, decode: decodeStateRequest, encode: encodeStateResponse };
const DELTA: Form = { isDelta: true, decode: decodeDeltaRequest, encode: encodeDeltaResponse };

/** One stream: what it asked for, what it was sent. */
class SecretStream {
  readonly #call: Call;
  readonly #form: Form;
  readonly #source: SvidSource;
  readonly #log: Log;
  readonly #wanted = new Set<string>();
  /** By name, to leave out of an incremental answer what has not changed. */
  readonly #sent = new Map<string, Buffer>();
  #version = 0;
  #system: NamedSecret | undefined;

  constructor(call: Call, form: Form, source: SvidSource, log: Log) {
    this.#call = call;
    this.#form = form;
    this.#source = source;
    this.#log = log;
  }

  take(message: Buffer): void {
    const request = this.#form.decode(message);
    if (request.error !== undefined) this.#log.warn('Envoy refused a secret', { reason: request.error.slice(0, 1000) });
    const asked = request.names.filter((name) => !this.#wanted.has(name));
    const isShorter = !this.#form.isDelta && request.names.length < this.#wanted.size;
    if (isShorter) for (const name of this.#wanted) if (!request.names.includes(name)) this.#drop(name);
    for (const name of request.dropped) this.#drop(name);
    for (const name of asked) this.#wanted.add(name);
    if (this.#wanted.size > MAX_NAMES)
      throw new WeftError('SDS_LIMIT', `more than ${MAX_NAMES} secrets were asked for`);
    if (asked.length === 0) return;
    const svid = presentOf(this.#source);
    if (svid) this.send(svid);
  }

  send(svid: Svid): void {
    if (this.#wanted.has(SYSTEM_SECRET)) this.#system ??= systemSecret();
    const all = [...secretsOf(svid), ...(this.#system ? [this.#system] : [])];
    const present = all.filter((secret) => this.#wanted.has(secret.name));
    const changed = present.filter((secret) => !this.#sent.get(secret.name)?.equals(secret.bytes));
    if (changed.length === 0) return;
    for (const secret of changed) this.#sent.set(secret.name, secret.bytes);
    this.#version += 1;
    this.#call.write(this.#form.encode(this.#form.isDelta ? changed : present, `${this.#version}`));
  }

  #drop(name: string): void {
    this.#wanted.delete(name);
    this.#sent.delete(name);
  }
}

/** The SVID when there is one already; before that, streams wait for the first. */
const presentOf = (source: SvidSource): Svid | undefined => {
  try {
    return source.current();
  } catch (error) {
    if (isWeftError(error, 'SVID_MISSING')) return undefined;
    throw error;
  }
};

const handle =
  (form: Form, streams: Set<SecretStream>, source: SvidSource, log: Log): handleBidiStreamingCall<Buffer, Buffer> =>
  (call) => {
    const stream = new SecretStream(call, form, source, log);
    streams.add(stream);
    const forget = (): void => {
      streams.delete(stream);
    };
    call.on('data', (message: Buffer) => {
      try {
        stream.take(message);
      } catch (error) {
        log.warn('ended a secret stream', { reason: messageOf(error) });
        forget();
        // How grpc-js has a handler end a stream with a status.
        call.emit('error', { code: status.INVALID_ARGUMENT, details: messageOf(error) });
      }
    });
    call.on('end', () => {
      forget();
      call.end();
    });
    call.on('error', forget);
    call.on('cancelled', forget);
  };

const openSocketDirectory = (socketPath: string): void => {
  if (Buffer.byteLength(socketPath) > MAX_PATH_BYTES) {
    throw new WeftError('SOCKET_PATH_TOO_LONG', `a unix socket can't have a path of over ${MAX_PATH_BYTES} bytes`, {
      at: socketPath,
      hint: 'use a data directory or TMPDIR with a shorter path',
    });
  }
  const dir = dirname(socketPath);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (statSync(dir).mode & 0o077) chmodSync(dir, 0o700);
  rmSync(socketPath, { force: true });
};

/** Serves `default` (key and chain), `ROOTCA` (the trust bundle) and `SYSTEM` (what this machine trusts). Throws SOCKET_PATH_TOO_LONG or SDS_UNAVAILABLE. */
export const openSdsServer = async ({ socketPath, source, log }: SdsServerOptions): Promise<SdsServer> => {
  openSocketDirectory(socketPath);
  const server = new Server({ 'grpc.max_receive_message_length': 1024 * 1024, 'grpc.max_concurrent_streams': 100 });
  const streams = new Set<SecretStream>();
  server.addService(definition, {
    streamSecrets: handle(STATE, streams, source, log),
    deltaSecrets: handle(DELTA, streams, source, log),
  });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (cause) => {
      if (!cause) return resolve();
      reject(new WeftError('SDS_UNAVAILABLE', `can't listen for Envoy: ${cause.message}`, { at: socketPath, cause }));
    });
  });
  chmodSync(socketPath, 0o600);
  const stop = source.watch((svid) => {
    for (const stream of streams) stream.send(svid);
  });
  return {
    async close() {
      stop();
      server.forceShutdown();
      rmSync(socketPath, { force: true });
    },
  };
};
