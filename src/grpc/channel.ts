// A proxy's channel to the control plane: for snapshots, certificates, traffic events and rate limits. Used by the clients of
// xds, ca, telemetry and limits. Its HTTP/2 is the proxy's own, which is in memory anyhow: the gRPC library that the servers
// use costs 9 MiB more (2026-11-21).
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls';
import type { Clock, Timer } from '../lib/clock.ts';
import { parseHostPort } from '../lib/host-port.ts';
import { Deadlines } from '../proxy/deadlines.ts';
import { FieldNames } from '../proxy/http1/fields.ts';
import { FlushQueue } from '../proxy/http1/flush-queue.ts';
import { RequestMessage } from '../proxy/http1/head.ts';
import type { Http2Context, Http2Limits } from '../proxy/http2/connection.ts';
import { Http2HeadParser } from '../proxy/http2/head.ts';
import { type Call, type CallEnd, type CallUser, endOf, OpenCall } from './call.ts';
import { Link, type LinkOwner, type LinkTarget } from './link.ts';

/** How a channel proves who it is, and what it checks the control plane against; PEM. */
export interface ChannelTls {
  /** Roots that the control plane's certificate is checked against. */
  readonly caPem: string;
  /** The proxy's own certificate; absent before its first one. */
  readonly own?: { readonly chainPem: string; readonly keyPem: string } | undefined;
  /** The name that the control plane's certificate must have; absent: the host of the address. */
  readonly serverName?: string | undefined;
}

export interface ChannelOptions {
  /** `host:port`. */
  readonly address: string;
  /** Absent: plain text, for loopback. */
  readonly tls?: ChannelTls | undefined;
  readonly maxMessageBytes: number;
  readonly clock: Clock;
}

export interface CallOptions {
  /** Names in lower case, and values, in turns. */
  readonly metadata?: readonly string[];
  readonly timeoutMs?: number;
}

export interface Answer extends CallEnd {
  /** Always there where the code is 0, unless the server broke the protocol. */
  readonly message: Buffer | undefined;
}

/** One connection to the control plane, made with the first call, and again with the first after it was lost. */
export interface Channel {
  /** Messages both ways. */
  stream(path: string, user: CallUser, options?: CallOptions): Call;
  /** One message for one, asked again where the server had no look at it. Never rejects: the status tells why there is none. */
  ask(path: string, question: Buffer, options: CallOptions): Promise<Answer>;
  /** Calls under way go on. */
  close(): void;
}

const LIMITS: Http2Limits = {
  maxHeadBytes: 65_536,
  maxFields: 100,
  handshakeTimeoutMs: 10_000,
  stallTimeoutMs: 300_000,
  lingerMs: 1000,
};
const HTTPS_PORT = 443;
/** For so long after a connection failed, calls fail without another try. */
const HOLD_OFF_MS = 100;
/** Calls that wait for a connection, or for others on it to end. */
const MAX_WAITING = 1000;

/** An address is no server name in TLS (RFC 6066), so none is sent; the certificate is checked for the address. */
const tlsOptions = ({ caPem, own, serverName }: ChannelTls, address: string): ConnectionOptions => {
  const host = serverName ?? address;
  return {
    secureContext: createSecureContext({ ca: caPem, ...(own && { cert: own.chainPem, key: own.keyPem }) }),
    ALPNProtocols: ['h2'],
    servername: isIP(host) === 0 ? host : '',
    checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
  };
};

interface Waiting {
  readonly call: OpenCall;
  readonly message: RequestMessage;
}

class ReconnectingChannel implements Channel, LinkOwner {
  readonly #options: ChannelOptions;
  readonly #target: LinkTarget;
  readonly #context: Http2Context;
  #link: Link | undefined;
  #waiting: Waiting[] = [];
  #failure: { readonly reason: string; readonly until: number } | undefined;
  #isClosed = false;

  constructor(options: ChannelOptions) {
    const { address, tls, clock } = options;
    this.#options = options;
    const { host, port } = parseHostPort(address) ?? { host: address, port: HTTPS_PORT };
    this.#target = { host, port, tls: tls && tlsOptions(tls, host) };
    this.#context = {
      limits: LIMITS,
      deadlines: new Deadlines(clock),
      flushes: new FlushQueue(),
      http2Parser: new Http2HeadParser(new FieldNames()),
    };
  }

  stream(path: string, user: CallUser, { metadata = [], timeoutMs }: CallOptions = {}): Call {
    const { clock, maxMessageBytes } = this.#options;
    let deadline: Timer | undefined;
    const onEnd = (end: CallEnd) => {
      deadline?.cancel();
      user.onEnd(end);
    };
    const call = new OpenCall(user, onEnd, maxMessageBytes);
    const headers = ['content-type', 'application/grpc', 'user-agent', 'weft', ...metadata];
    if (timeoutMs !== undefined) {
      const end = endOf('DEADLINE_EXCEEDED', `there was no answer after ${timeoutMs} ms`);
      deadline = clock.after(timeoutMs, () => call.fail(end));
      headers.push('grpc-timeout', `${Math.max(1, Math.ceil(timeoutMs))}m`);
    }
    const refusal = this.#refusal();
    // Told later: the caller has not got the call yet.
    if (refusal) queueMicrotask(() => call.fail(refusal));
    else {
      this.#waiting.push({ call, message: this.#request(path, headers) });
      this.onRoom();
    }
    return call;
  }

  async ask(path: string, question: Buffer, options: CallOptions): Promise<Answer> {
    const answer = await this.#askOnce(path, question, options);
    return answer.isUnseen ? this.#askOnce(path, question, options) : answer;
  }

  #askOnce(path: string, question: Buffer, options: CallOptions): Promise<Answer> {
    return new Promise((resolve) => {
      let message: Buffer | undefined;
      const onMessage = (answer: Buffer) => {
        message ??= answer;
      };
      const onEnd = (end: CallEnd) => resolve({ ...end, message });
      const call = this.stream(path, { onMessage, onEnd }, options);
      call.write(question);
      call.end();
    });
  }

  close(): void {
    this.#isClosed = true;
    if (this.#waiting.every(({ call }) => call.isOver)) this.#link?.close();
  }

  #request(path: string, headers: string[]): RequestMessage {
    const message = new RequestMessage();
    message.method = 'POST';
    message.scheme = this.#target.tls ? 'https' : 'http';
    message.host = this.#options.address;
    message.path = path;
    message.headers = headers;
    message.teTrailers = true;
    return message;
  }

  #refusal(): CallEnd | undefined {
    if (this.#isClosed) return endOf('UNAVAILABLE', 'the channel is closed');
    if (this.#waiting.length >= MAX_WAITING) return endOf('RESOURCE_EXHAUSTED', 'too many calls wait');
    if (!this.#failure || this.#options.clock.monotonic() >= this.#failure.until) return undefined;
    return endOf('UNAVAILABLE', this.#failure.reason);
  }

  // --- the link

  /** Gives waiting calls to the link, as far as it takes them. */
  onRoom(): void {
    const waiting = this.#waiting;
    while (waiting.length > 0) {
      const { call, message } = waiting[0]!;
      this.#link ??= new Link(this.#target, this.#context, this.#options.clock, this);
      if (!call.isOver && !this.#link.begin(call, message)) return;
      waiting.shift();
    }
    if (this.#isClosed) this.#link?.close();
  }

  onLeaving(link: Link): void {
    if (link !== this.#link) return;
    this.#link = undefined;
    this.onRoom();
  }

  onLost(link: Link, reason: string): void {
    if (link !== this.#link) return;
    this.#link = undefined;
    this.#failure = { reason, until: this.#options.clock.monotonic() + HOLD_OFF_MS };
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { call } of waiting) call.fail(endOf('UNAVAILABLE', reason));
  }
}

/** Connects with the first call. Throws where certificates can not be read. */
export const openChannel = (options: ChannelOptions): Channel => new ReconnectingChannel(options);
